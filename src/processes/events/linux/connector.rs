//! The process connector itself: a netlink socket on which the kernel tells of processes, once it was asked to.

use crate::processes::events::message::{Message, What, parse_process_event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto, socket_with,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The group of the processes.
const PROCESSES: u32 = 1;

/// So many bytes of messages may wait for us; without the right to ask for that much we get what everybody gets.
const WAITING: usize = 16 << 20;

/// The kernel answers a subscription within the very call. Where it says nothing it never will: in a namespace of its own.
const ANSWERS: Duration = Duration::from_secs(1);

/// A socket on which the kernel tells of processes.
#[derive(Debug)]
pub struct Connector(OwnedFd);

/// Why the kernel does not tell us.
#[derive(Debug)]
pub enum Refusal {
    /// It would tell somebody who may change the network.
    Right(String),
    /// It would tell nobody here.
    Other(String),
}

impl From<OwnedFd> for Connector {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Connector {
    /// Asks the kernel; its answer is known by `ours`.
    pub fn subscribe(ours: u32) -> Result<Self, Refusal> {
        let kind = (AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC);
        let socket = socket_with(kind.0, kind.1, kind.2, Some(netlink::CONNECTOR))
            .map_err(|errno| refusal("there is no process connector", errno))?;
        bind(&socket, &SocketAddrNetlink::new(0, PROCESSES))
            .map_err(|errno| refusal("the process connector may not be heard", errno))?;
        // The bigger the better; without the right to it, what everybody gets.
        let _ = set_socket_recv_buffer_size_force(&socket, WAITING)
            .or_else(|_| set_socket_recv_buffer_size(&socket, WAITING));
        sendto(&socket, &subscription(ours), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
            .map_err(|errno| refusal("the process connector cannot be asked", errno))?;
        let connector = Self(socket);
        let until = Instant::now() + ANSWERS;
        let mut buffer = vec![0; 4096];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_heard = connector.is_readable(left).map_err(|error| Refusal::Other(error.to_string()))?;
            if left.is_zero() || !is_heard {
                let why = "the process connector does not answer, as in a container";
                return Err(Refusal::Other(why.to_owned()));
            }
            match connector.receive(&mut buffer) {
                // Others' answers are heard as well.
                Ok(Some(Message { what: What::Answer { to, .. }, .. })) if to != ours.wrapping_add(1) => {}
                Ok(Some(Message { what: What::Answer { error: 0, .. }, .. })) => return Ok(connector),
                Ok(Some(Message { what: What::Answer { error, .. }, .. })) => {
                    let errno = Errno::from_raw_os_error(i32::try_from(error).unwrap_or(0));
                    return Err(refusal("the process connector refuses", errno));
                }
                Ok(_) => {}
                Err(errno) => return Err(refusal("the process connector fails", errno)),
            }
        }
    }

    /// True if there is something to be received within this time.
    pub fn is_readable(&self, within: Duration) -> io::Result<bool> {
        let wait = Timespec::try_from(within).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut ready = [PollFd::from_borrowed_fd(self.as_fd(), PollFlags::IN)];
        match poll(&mut ready, Some(&wait)) {
            Ok(count) => Ok(count > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The next message of the kernel; nothing if it is none of processes, or from anybody else. It does not wait.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<Message>, Errno> {
        let (length, _, sender) = recvfrom(self, &mut *buffer, RecvFlags::DONTWAIT)?;
        let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
        let is_kernels = sender.is_some_and(|sender| sender.pid() == 0);
        Ok(buffer.get(..length).and_then(parse_process_event).filter(|_| is_kernels))
    }
}

fn refusal(what: &str, errno: Errno) -> Refusal {
    match errno {
        Errno::PERM | Errno::ACCESS => {
            Refusal::Right(format!("{what}: it takes CAP_NET_ADMIN before Linux 6.6"))
        }
        Errno::CONNREFUSED => Refusal::Other(format!("{what}: not in a network namespace of its own")),
        errno => Refusal::Other(format!("{what}: {}", io::Error::from(errno))),
    }
}

/// "Tell us": the header of netlink, that of the connector with a word to know the answer by, and the one word `PROC_CN_MCAST_LISTEN`.
fn subscription(ours: u32) -> Vec<u8> {
    const DONE: u16 = 3;
    const LISTEN: u32 = 1;
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
    let halves = |halves: [u16; 2]| halves.map(u16::to_ne_bytes).concat();
    let connector = [words(&[1, 1, 0, ours]), halves([4, 0]), words(&[LISTEN])].concat();
    let length = u32::try_from(16 + connector.len()).unwrap_or(0);
    [words(&[length]), halves([DONE, 0]), words(&[0, 0]), connector].concat()
}
