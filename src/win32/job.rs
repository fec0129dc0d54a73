//! Jobs: processes that are ended together, with all that they start.

use super::error::plain;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use windows::Win32::Foundation::HANDLE;
use windows::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
    TerminateJobObject,
};
use windows::core::PCWSTR;

/// A job. If it is dropped, also because this process ends, all that still runs in it is ended.
#[derive(Debug)]
pub struct Job(OwnedHandle);

impl Job {
    /// A job with nothing in it.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let size = u32::try_from(size_of_val(&limits)).unwrap_or(0);
        // SAFETY: the handle is new and has no other owner; the limits are as large as is said and outlive the call.
        unsafe {
            let made = CreateJobObjectW(None, PCWSTR::null()).map_err(|error| plain(&error))?;
            let job = Self(OwnedHandle::from_raw_handle(made.0));
            let given = (&raw const limits).cast();
            SetInformationJobObject(job.handle(), JobObjectExtendedLimitInformation, given, size)
                .map_err(|error| plain(&error))?;
            Ok(job)
        }
    }

    /// Puts a process into it. What that process has started already stays outside.
    ///
    /// # Errors
    /// The system's.
    pub fn take_in(&self, process: &impl AsRawHandle) -> io::Result<()> {
        // SAFETY: both handles are open as long as their owners are borrowed.
        unsafe { AssignProcessToJobObject(self.handle(), HANDLE(process.as_raw_handle())) }
            .map_err(|error| plain(&error))
    }

    /// Ends all that runs in it.
    pub fn end(&self) {
        // SAFETY: the handle is open. If nothing runs in it there is nothing to do.
        let _ = unsafe { TerminateJobObject(self.handle(), 1) };
    }

    fn handle(&self) -> HANDLE {
        HANDLE(self.0.as_raw_handle())
    }
}
