//! Errors of Windows as the standard library knows them.

use std::io;
use windows::Win32::Foundation::{NTSTATUS, RtlNtStatusToDosError};

/// The same error with its own number, by which its kind is known: `?` alone would leave it wrapped in an HRESULT, of which the
/// standard library knows none.
pub(super) fn plain(error: &windows::core::Error) -> io::Error {
    const WIN32: u32 = 0x8007_0000;
    let code = error.code().0.cast_unsigned();
    let number = if code & 0xffff_0000 == WIN32 { code & 0xffff } else { code };
    io::Error::from_raw_os_error(number.cast_signed())
}

/// The error that a status of the kernel stands for.
pub(super) fn of_status(status: NTSTATUS) -> io::Error {
    // SAFETY: it takes a number and gives one.
    io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(status) }.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows::Win32::Foundation::{E_NOINTERFACE, ERROR_ALREADY_EXISTS, STATUS_ACCESS_DENIED};

    #[test]
    fn an_error_keeps_its_number_and_its_kind() {
        let error = plain(&ERROR_ALREADY_EXISTS.to_hresult().into());
        assert_eq!((error.raw_os_error(), error.kind()), (Some(183), io::ErrorKind::AlreadyExists));
        assert_eq!(plain(&E_NOINTERFACE.into()).raw_os_error(), Some(E_NOINTERFACE.0));
        assert_eq!(of_status(STATUS_ACCESS_DENIED).kind(), io::ErrorKind::PermissionDenied);
    }
}
