//! Asking disks that may never answer, each in a thread of its own, so that a pass does not wait for them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

/// So long may a file system that hangs when its server does take to answer. All are asked at the same time.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that have not been answered yet: as long as one hangs, it is not asked again.
pub struct Asking<T>(HashMap<PathBuf, Question<T>>);

struct Question<T> {
    asked: Instant,
    answer: Receiver<io::Result<T>>,
}

impl<T> Default for Asking<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Send + 'static> Asking<T> {
    /// Asks in a thread of its own, unless that still hangs from an earlier pass.
    pub fn ask(&mut self, path: PathBuf, how: fn(&Path) -> io::Result<T>) {
        // A late answer to an earlier question is old news.
        if self
            .0
            .get(&path)
            .is_some_and(|question| matches!(question.answer.try_recv(), Err(TryRecvError::Empty)))
        {
            return;
        }
        let (tell, answer) = sync_channel(1);
        let question = path.clone();
        let asked =
            std::thread::Builder::new().name("ask-disk".to_owned()).stack_size(64 * 1024).spawn(move || {
                // Nobody waits for it any more if that fails.
                let _ = tell.send(how(&question));
            });
        if asked.is_ok() {
            self.0.insert(path, Question { asked: Instant::now(), answer });
        }
    }

    /// The answer, if it comes in time. A question that hangs from an earlier pass is not waited for again.
    ///
    /// # Errors
    /// `TimedOut`, or what it says itself.
    pub fn answer(&mut self, path: &PathBuf) -> io::Result<T> {
        let Some(question) = self.0.get(path) else { return Err(io::ErrorKind::WouldBlock.into()) };
        match question.answer.recv_timeout(PATIENCE.saturating_sub(question.asked.elapsed())) {
            Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Err(RecvTimeoutError::Disconnected) => {
                self.0.remove(path);
                Err(io::ErrorKind::WouldBlock.into())
            }
            Ok(answer) => {
                self.0.remove(path);
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_hangs_is_not_asked_again_and_holds_nobody_up() {
        let answers = |_: &Path| Ok(());
        let mut asking = Asking::<()>::default();
        let path = PathBuf::from("/");
        let (tell, answer) = sync_channel(1);
        let asked = Instant::now().checked_sub(PATIENCE).unwrap();
        asking.0.insert(path.clone(), Question { asked, answer });
        asking.ask(path.clone(), answers);
        let before = Instant::now();
        assert_eq!(asking.answer(&path).err().map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
        assert!(before.elapsed() < PATIENCE / 2);
        tell.send(Err(io::ErrorKind::NotFound.into())).unwrap();
        asking.ask(path.clone(), answers);
        assert!(asking.answer(&path).is_ok());
        assert!(asking.0.is_empty());
    }
}
