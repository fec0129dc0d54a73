//! Parsing what the process connector of Linux says: one message for each process that starts, takes another program or
//! user, or ends. Threads are told of in the same words.

/// What happened. Processes are named by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The answer to a subscription, which all who listen hear.
    Answer {
        /// Zero, or the number of an error.
        error: u32,
        /// What that subscription said of itself, and one more.
        to: u32,
    },
    /// A process or a thread was started.
    Fork {
        /// The process that did it.
        parent: u32,
        /// The process that was started, or got a thread.
        child: u32,
        /// True if it is a process, and no thread of one.
        is_process: bool,
    },
    /// A process runs another program now.
    Exec(u32),
    /// A process acts for another user now: its effective number.
    User {
        /// The process.
        process: u32,
        /// The number of the user.
        effective: u32,
    },
    /// A process or one of its threads has this name now.
    Name {
        /// The process.
        process: u32,
        /// The name, cut, and filled up with zeros.
        name: [u8; 16],
        /// False for that of a thread.
        is_process: bool,
    },
    /// A process has ended: its first thread.
    Exit(u32),
    /// Something that says nothing of where code comes from: a thread's end, a new session.
    Other,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Counts the messages of this processor: what is missing in between was lost.
    pub number: u32,
    /// The processor on which it happened.
    pub processor: u32,
    /// The process to which it happened.
    pub about: u32,
    /// What happened.
    pub what: What,
}

/// Where the parts lie: the header of netlink, that of the connector, and that of the event come before its data.
const CONNECTOR: usize = 16;
const EVENT: usize = CONNECTOR + 20;
const DATA: usize = EVENT + 16;

/// Parses one datagram of the connector; nothing if it is not of the processes' own.
#[must_use]
pub fn parse_process_event(bytes: &[u8]) -> Option<Message> {
    let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    // CN_IDX_PROC and CN_VAL_PROC.
    if (word(CONNECTOR)?, word(CONNECTOR + 4)?) != (1, 1) {
        return None;
    }
    let data = |at: usize| word(DATA + 4 * at);
    let what = match word(EVENT)? {
        0 => What::Answer { error: data(0)?, to: word(CONNECTOR + 12)? },
        // The parent's thread and process, then the child's.
        0x1 => {
            let (thread, child) = (data(2)?, data(3)?);
            What::Fork { parent: data(1)?, child, is_process: thread == child }
        }
        0x2 => What::Exec(data(1)?),
        // The real number comes before the effective one.
        0x4 => What::User { process: data(1)?, effective: data(3)? },
        0x200 => What::Name {
            process: data(1)?,
            name: *bytes.get(DATA + 8..)?.first_chunk()?,
            is_process: data(0)? == data(1)?,
        },
        0x8000_0000 if data(0)? == data(1)? => What::Exit(data(1)?),
        _ => What::Other,
    };
    let about = match what {
        What::Answer { .. } => 0,
        What::Fork { child, .. } => child,
        // All others begin with the thread and its process.
        _ => data(1)?,
    };
    Some(Message { number: word(CONNECTOR + 8)?, processor: word(EVENT + 4)?, about, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn datagram(what: u32, data: &[u32]) -> Vec<u8> {
        let head = [0, 0, 0, 0, 1, 1, 77, 5, 0, what, 3, 0, 0];
        head.iter().chain(data).flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn each_kind_is_told_from_the_others() {
        let what = |kind, data: &[u32]| parse_process_event(&datagram(kind, data)).unwrap().what;
        assert_eq!(what(0, &[0]), What::Answer { error: 0, to: 5 });
        assert_eq!(what(1, &[11, 10, 20, 20]), What::Fork { parent: 10, child: 20, is_process: true });
        assert_eq!(what(1, &[11, 10, 21, 10]), What::Fork { parent: 10, child: 10, is_process: false });
        assert_eq!(what(2, &[20, 20]), What::Exec(20));
        assert_eq!(what(4, &[20, 20, 1000, 0]), What::User { process: 20, effective: 0 });
        assert_eq!(what(0x8000_0000, &[20, 20, 0, 17]), What::Exit(20));
        assert_eq!(what(0x8000_0000, &[21, 20, 0, 17]), What::Other, "a thread's end");
        let name = *b"kworker/0:1\0\0\0\0\0";
        let words = name.chunks(4).map(|word| u32::from_ne_bytes(*word.first_chunk().unwrap()));
        let renamed = |thread: u32| [thread, 20].into_iter().chain(words.clone()).collect::<Vec<u32>>();
        assert_eq!(what(0x200, &renamed(20)), What::Name { process: 20, name, is_process: true });
        assert_eq!(what(0x200, &renamed(21)), What::Name { process: 20, name, is_process: false });
        assert_eq!(what(0x80, &[20, 20]), What::Other, "a new session");
        let message = parse_process_event(&datagram(2, &[20, 20])).unwrap();
        assert_eq!((message.number, message.processor), (77, 3));
        let about = |kind, data: &[u32]| parse_process_event(&datagram(kind, data)).unwrap().about;
        assert_eq!(about(1, &[11, 10, 20, 20]), 20, "the one that was started");
        assert_eq!(about(0x8000_0000, &[21, 20, 0, 17]), 20, "the process of the thread");
        assert_eq!(about(0x80, &[21, 20]), 20);
        let mut other = datagram(2, &[20, 20]);
        other[16] = 2;
        assert_eq!(parse_process_event(&other), None, "another user of the connector");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, kind: u32, data: Vec<u32>) {
            let _ = parse_process_event(&bytes);
            let _ = parse_process_event(&datagram(kind, &data));
        }
    }
}
