//! The event log: the events of a channel as XML, from a bookmark on.

use super::text::{from_wide, wide};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use windows::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_EVT_CHANNEL_NOT_FOUND,
    ERROR_EVT_QUERY_RESULT_STALE, ERROR_FILE_NOT_FOUND, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_OPERATION,
    ERROR_NO_MORE_ITEMS, ERROR_NOT_FOUND, SetLastError, WIN32_ERROR,
};
use windows::Win32::System::EventLog::{
    EVT_HANDLE, EVT_LOG_PROPERTY_ID, EVT_VARIANT, EvtClose, EvtCreateBookmark, EvtGetLogInfo,
    EvtLogNumberOfLogRecords, EvtLogOldestRecordNumber, EvtNext, EvtOpenChannelPath, EvtOpenLog, EvtQuery,
    EvtQueryChannelPath, EvtQueryForwardDirection, EvtRender, EvtRenderBookmark, EvtRenderEventXml, EvtSeek,
    EvtSeekRelativeToBookmark, EvtSeekStrict, EvtUpdateBookmark, EvtVarTypeUInt64,
};
use windows::core::{Error, PCWSTR};

/// So many events are fetched at once.
const BATCH: usize = 64;
/// Reading a channel of this host answers at once; a log that does not is broken.
const TIMEOUT_MS: u32 = 30_000;
/// No event is larger, in units of UTF-16: Windows itself keeps one within 64 KB of its own form.
const LARGEST: usize = 1024 * 1024;
/// In a number that Windows gives with its type.
const TYPE: u32 = 0x7f;

/// Something of the event log that must be given back.
#[derive(Debug)]
struct Owned(EVT_HANDLE);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the handle came from this library, belongs to nobody else, and is given back once.
        let _ = unsafe { EvtClose(self.0) };
    }
}

/// An event that was found.
#[derive(Debug)]
pub struct Found(Owned);

/// A channel, and what was asked of it.
#[derive(Debug)]
pub struct Channel {
    name: Vec<u16>,
    result: Option<Owned>,
    fetched: VecDeque<Found>,
    buffer: Vec<u16>,
}

impl Channel {
    /// The channel of this name. Whether there is one shows when it is asked.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: wide(name), result: None, fetched: VecDeque::new(), buffer: vec![0; 4096] }
    }

    fn result(&self) -> io::Result<EVT_HANDLE> {
        let nothing = || io::Error::other("the channel was not asked for anything");
        self.result.as_ref().map(|result| result.0).ok_or_else(nothing)
    }

    fn number(log: &Owned, which: EVT_LOG_PROPERTY_ID) -> io::Result<Option<u64>> {
        let mut value = EVT_VARIANT::default();
        let size = u32::try_from(size_of::<EVT_VARIANT>()).unwrap_or(0);
        let mut used = 0;
        // SAFETY: what is written to is as large as it is said to be and outlives the call. A number stands in the
        // value itself, and any bits are one; it is used only if it was meant to be one.
        unsafe {
            EvtGetLogInfo(log.0, which, size, Some(&raw mut value), &raw mut used).map_err(|e| named(&e))?;
            let is_number = i64::from(value.Type & TYPE) == i64::from(EvtVarTypeUInt64.0);
            Ok(is_number.then_some(value.Anonymous.UInt64Val))
        }
    }

    /// What Windows renders of an event or a bookmark; nothing if it is larger than any is.
    fn render(&mut self, what: EVT_HANDLE, how: u32) -> io::Result<Option<String>> {
        loop {
            let (mut used, mut count) = (0, 0);
            let bytes = u32::try_from(self.buffer.len() * 2).unwrap_or(0);
            let into = self.buffer.as_mut_ptr().cast();
            // SAFETY: the buffer holds as many bytes as it is said to and outlives the call; the handle is open.
            let rendered =
                unsafe { EvtRender(None, what, how, bytes, Some(into), &raw mut used, &raw mut count) };
            match rendered {
                Ok(()) => {
                    let units = self.buffer.get(..(used as usize / 2)).unwrap_or(&self.buffer);
                    return Ok(Some(from_wide(units).to_string_lossy().into_owned()));
                }
                Err(error) if is(&error, ERROR_INSUFFICIENT_BUFFER) => {
                    let units = (used as usize).div_ceil(2);
                    if units > LARGEST || units <= self.buffer.len() {
                        return Ok(None);
                    }
                    self.buffer.resize(units, 0);
                }
                Err(error) => return Err(named(&error)),
            }
        }
    }

    /// The numbers of the oldest and the newest event; none if there is no event.
    ///
    /// # Errors
    /// The system's.
    pub fn numbers(&self) -> io::Result<Option<(u64, u64)>> {
        // SAFETY: the name ends in a zero and outlives the call.
        let log = unsafe { EvtOpenLog(None, PCWSTR(self.name.as_ptr()), EvtOpenChannelPath.0) };
        let log = Owned(log.map_err(|error| named(&error))?);
        let count = Self::number(&log, EvtLogNumberOfLogRecords)?.unwrap_or(0);
        let oldest = Self::number(&log, EvtLogOldestRecordNumber)?;
        let numbers = |oldest: u64| (oldest, oldest.saturating_add(count - 1));
        Ok(oldest.filter(|_| count > 0).map(numbers))
    }

    /// Asks for the events that an `XPath` selects, the oldest first.
    ///
    /// # Errors
    /// The system's.
    pub fn ask(&mut self, query: &str) -> io::Result<()> {
        let query = wide(query);
        let flags = EvtQueryChannelPath.0 | EvtQueryForwardDirection.0;
        self.fetched.clear();
        // SAFETY: both texts end in a zero and outlive the call. One that fails without saying why is not there.
        let result = unsafe {
            SetLastError(ERROR_CALL_NOT_IMPLEMENTED);
            EvtQuery(None, PCWSTR(self.name.as_ptr()), PCWSTR(query.as_ptr()), flags)
        };
        self.result = Some(Owned(result.map_err(|error| named(&error))?));
        Ok(())
    }

    /// Goes on after the event of a bookmark. False if that event is no longer there.
    ///
    /// # Errors
    /// The system's.
    pub fn skip_to(&mut self, bookmark: &str) -> io::Result<bool> {
        let bookmark = wide(bookmark);
        let result = self.result()?;
        // SAFETY: the text ends in a zero and outlives the call.
        let bookmark = match unsafe { EvtCreateBookmark(PCWSTR(bookmark.as_ptr())) } {
            Ok(bookmark) => Owned(bookmark),
            // What was remembered is no bookmark; it is read from its number on instead.
            Err(_) => return Ok(false),
        };
        let flags = EvtSeekRelativeToBookmark.0 | EvtSeekStrict.0;
        // SAFETY: both handles are open until the end of this function.
        match unsafe { EvtSeek(result, 1, Some(bookmark.0), None, flags) } {
            Ok(()) => Ok(true),
            Err(error)
                if is(&error, ERROR_NOT_FOUND)
                    || is(&error, ERROR_EVT_QUERY_RESULT_STALE)
                    || is(&error, ERROR_INVALID_OPERATION)
                    || is(&error, ERROR_NO_MORE_ITEMS) =>
            {
                Ok(false)
            }
            Err(error) => Err(named(&error)),
        }
    }

    /// The next event that was asked for.
    ///
    /// # Errors
    /// The system's.
    pub fn fetch(&mut self) -> io::Result<Option<Found>> {
        if self.fetched.is_empty() {
            let (mut handles, mut count) = ([0_isize; BATCH], 0);
            let result = self.result()?;
            // SAFETY: the array is as long as it is said to be and outlives the call. Each handle that is written into it
            // is ours from then on, and is owned at once.
            match unsafe { EvtNext(result, &mut handles, TIMEOUT_MS, 0, &raw mut count) } {
                Ok(()) => {}
                Err(error) if is(&error, ERROR_NO_MORE_ITEMS) => return Ok(None),
                Err(error) => return Err(named(&error)),
            }
            let found = handles.iter().take(count as usize).filter(|handle| **handle != 0);
            self.fetched.extend(found.map(|handle| Found(Owned(EVT_HANDLE(*handle)))));
        }
        Ok(self.fetched.pop_front())
    }

    /// An event as XML; nothing if it is larger than any is.
    ///
    /// # Errors
    /// The system's.
    pub fn xml(&mut self, event: &Found) -> io::Result<Option<String>> {
        self.render(event.0.0, EvtRenderEventXml.0)
    }

    /// A bookmark of an event, as text.
    ///
    /// # Errors
    /// The system's.
    pub fn bookmark(&mut self, event: &Found) -> io::Result<String> {
        // SAFETY: no text at all makes an empty bookmark.
        let bookmark = Owned(unsafe { EvtCreateBookmark(PCWSTR::null()) }.map_err(|error| named(&error))?);
        // SAFETY: both handles are open.
        unsafe { EvtUpdateBookmark(bookmark.0, event.0.0) }.map_err(|error| named(&error))?;
        let text = self.render(bookmark.0, EvtRenderBookmark.0)?;
        text.ok_or_else(|| io::Error::other("a bookmark larger than any is"))
    }
}

fn is(error: &Error, code: WIN32_ERROR) -> bool {
    error.code() == code.to_hresult()
}

/// The system's error, by the kind that is asked for here.
fn named(error: &Error) -> io::Error {
    let kind = if is(error, ERROR_ACCESS_DENIED) {
        ErrorKind::PermissionDenied
    } else if is(error, ERROR_EVT_CHANNEL_NOT_FOUND) || is(error, ERROR_FILE_NOT_FOUND) {
        ErrorKind::NotFound
    } else if is(error, ERROR_CALL_NOT_IMPLEMENTED) {
        ErrorKind::Unsupported
    } else {
        ErrorKind::Other
    };
    io::Error::new(kind, error.to_string())
}
