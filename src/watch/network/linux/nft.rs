//! Reading nftables, into which today's iptables writes too. The kernel says by a number whether anything has changed
//! since, so that the program `nft` is run only after a change.
//! Both take `CAP_NET_ADMIN`; who does not have it asks the [helper].

use super::helper;
use crate::program;
use crate::text::Text;
use crate::watch::network::firewall::{Block, parse_ruleset};
use netlink_packet_core::{NLM_F_REQUEST, NetlinkBuffer, NlasIterator};
use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// What is asked, and what is answered, of the subsystem 10: the number of the generation.
const ASK: u16 = 10 << 8 | 16;
const ANSWER: u16 = 10 << 8 | 15;
const ERROR: u16 = 2;
const GENERATION: u16 = 1;

/// The number before anybody has ever set a rule.
pub const NEVER: u32 = 1;

/// A ruleset is listed in milliseconds; one of a hundred thousand rules in seconds.
const DEADLINE: Duration = Duration::from_secs(20);
pub const MOST: usize = 64 << 20;
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// The rules as they were read last, and of which generation they are.
#[derive(Default)]
pub struct Rules {
    last: Option<(u32, Vec<Block>)>,
}

impl Rules {
    /// All chains and sets.
    ///
    /// # Errors
    /// Why they could not be read, and what cures that.
    pub fn read(&mut self) -> Result<Vec<Block>, String> {
        let known = self.last.as_ref().map(|(generation, _)| *generation);
        let state = match generation() {
            Err(error) if is_refused(&error) => helper::ask(Path::new(helper::SOCKET), known)?,
            generation => state(generation, known)?,
        };
        match (state, &self.last) {
            (State::Unchanged, Some((_, blocks))) => Ok(blocks.clone()),
            (State::Listed(generation, listing), _) => {
                let blocks = parse_ruleset(&listing);
                // If it changed while it was listed, the next look lists it again.
                self.last = Some((generation, blocks.clone()));
                Ok(blocks)
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// The rules, as far as they are not known already.
pub enum State {
    /// There are none, and never were.
    Empty,
    /// They are those of the generation that is known.
    Unchanged,
    /// All of them.
    Listed(u32, Vec<u8>),
}

/// What the kernel tells to whoever may ask.
pub fn state(generation: io::Result<u32>, known: Option<u32>) -> Result<State, String> {
    match generation {
        Ok(NEVER) => Ok(State::Empty),
        Ok(generation) if known == Some(generation) => Ok(State::Unchanged),
        Ok(generation) => Ok(State::Listed(generation, list()?)),
        // A kernel without nftables has no rules of it.
        Err(error) if is_without(&error) => Ok(State::Empty),
        Err(error) => Err(format!("the kernel does not tell of nftables: {error}")),
    }
}

fn is_refused(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PERM.raw_os_error())
}

fn is_without(error: &io::Error) -> bool {
    let errnos = [Errno::INVAL, Errno::OPNOTSUPP, Errno::PROTONOSUPPORT, Errno::NOENT];
    errnos.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn list() -> Result<Vec<u8>, String> {
    let output =
        program::run("nft", &["--stateless", "list", "ruleset"], DEADLINE, MOST).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                "there are rules of nftables, and no program to list them: install the package nftables"
                    .to_owned()
            } else {
                format!("nft could not list the rules: {error}")
            }
        })?;
    if output.cut {
        return Err(format!("the firewall has more than {} MB of rules", MOST >> 20));
    }
    if !output.status.success() {
        let said = Text::cut(output.stderr.trim_ascii(), 200);
        return Err(format!("nft could not list the rules: {said}"));
    }
    Ok(output.stdout)
}

/// Which generation of rules is in force.
pub fn generation() -> io::Result<u32> {
    let mut netlink = Netlink::new(NETLINK_NETFILTER)?;
    netlink.bind_auto()?;
    netlink.connect(&SocketAddr::new(0, 0))?;
    let mut request = 20_u32.to_ne_bytes().to_vec();
    request.extend(ASK.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.resize(20, 0);
    netlink.send(&request, 0)?;
    let mut ready = [PollFd::from_borrowed_fd(netlink.as_fd(), PollFlags::IN)];
    if poll(&mut ready, Some(&PATIENCE))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let (datagram, _) = netlink.recv_from_full()?;
    answered(&datagram)
}

fn answered(datagram: &[u8]) -> io::Result<u32> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let message = NetlinkBuffer::new_checked(datagram).map_err(|_| invalid())?;
    let payload: &[u8] = message.payload();
    match message.message_type() {
        ERROR => {
            let errno = payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes).saturating_neg());
            Err(io::Error::from_raw_os_error(errno))
        }
        ANSWER => {
            let mut attributes =
                NlasIterator::new(payload.get(4..).unwrap_or_default()).filter_map(Result::ok);
            let found = attributes.find(|attribute| attribute.kind() == GENERATION);
            let number = found.and_then(|attribute| attribute.value().first_chunk().copied());
            number.map(u32::from_be_bytes).ok_or_else(invalid)
        }
        _ => Err(invalid()),
    }
}
