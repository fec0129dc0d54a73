//! Who signed a file, and whether Windows believes it: by the signature in the file itself, or by one of the catalogs in
//! which Windows keeps those of its own files. Nothing is fetched from the network, and nobody is asked anything.

use super::handle::borrowed;
use super::text::{from_wide, wide};
use std::fs::File;
use std::path::Path;
use windows::Win32::Foundation::{
    HANDLE, HWND, TRUST_E_BAD_DIGEST, TRUST_E_NOSIGNATURE, TRUST_E_PROVIDER_UNKNOWN,
    TRUST_E_SUBJECT_FORM_UNKNOWN,
};
use windows::Win32::Security::Cryptography::Catalog::{
    CATALOG_INFO, CryptCATAdminAcquireContext2, CryptCATAdminCalcHashFromFileHandle2,
    CryptCATAdminEnumCatalogFromHash, CryptCATAdminReleaseCatalogContext, CryptCATAdminReleaseContext,
    CryptCATCatalogInfoFromContext,
};
use windows::Win32::Security::Cryptography::{CERT_NAME_SIMPLE_DISPLAY_TYPE, CertGetNameStringW};
use windows::Win32::Security::WinTrust::{
    WINTRUST_ACTION_GENERIC_VERIFY_V2, WINTRUST_CATALOG_INFO, WINTRUST_DATA, WINTRUST_DATA_0,
    WINTRUST_DATA_UNION_CHOICE, WINTRUST_FILE_INFO, WTD_CACHE_ONLY_URL_RETRIEVAL, WTD_CHOICE_CATALOG,
    WTD_CHOICE_FILE, WTD_DISABLE_MD2_MD4, WTD_REVOCATION_CHECK_NONE, WTD_REVOKE_NONE, WTD_STATEACTION_CLOSE,
    WTD_STATEACTION_VERIFY, WTD_UI_NONE, WTHelperGetProvSignerFromChain, WTHelperProvDataFromStateData,
    WinVerifyTrust,
};
use windows::core::{GUID, HRESULT, PCWSTR, w};

/// What a signature says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// It is as this signer made it, and Windows trusts the signer.
    Valid(String),
    /// It was changed after this signer had signed it.
    Broken(String),
    /// It says that it is this signer's, and Windows cannot, or will not, say that it is.
    Unproven(String),
    /// It has none, and no catalog knows it.
    Absent,
}

/// What a signer is called whose name cannot be read.
const NAMELESS: &str = "(no name)";

/// So many catalogs that know a file are asked; one is the rule.
const CATALOGS: usize = 16;

/// The hashes by which catalogs know files, the usual one first.
const HASHES: [PCWSTR; 2] = [w!("SHA256"), w!("SHA1")];

/// What is said of an open file by signatures, its own first.
#[must_use]
pub fn verify(path: &Path, file: &File) -> Signature {
    let own = verify_own(path, file);
    if matches!(own, Signature::Valid(_)) {
        return own;
    }
    for hash in HASHES {
        if let Some(signature @ Signature::Valid(_)) = verify_by_catalog(path, file, hash) {
            return signature;
        }
    }
    own
}

fn verify_own(path: &Path, file: &File) -> Signature {
    let path = wide(path);
    let mut subject = WINTRUST_FILE_INFO {
        cbStruct: size(size_of::<WINTRUST_FILE_INFO>()),
        pcwszFilePath: PCWSTR(path.as_ptr()),
        hFile: borrowed(file),
        ..WINTRUST_FILE_INFO::default()
    };
    // SAFETY: the structure, its path and its file outlive the call.
    unsafe { ask(WTD_CHOICE_FILE, WINTRUST_DATA_0 { pFile: &raw mut subject }) }
}

/// What the first catalog that knows the file and is valid says; none if there is none.
fn verify_by_catalog(path: &Path, file: &File, algorithm: PCWSTR) -> Option<Signature> {
    let mut admin = 0;
    // SAFETY: the number is written to while it lives; it stands for a context of ours.
    unsafe { CryptCATAdminAcquireContext2(&raw mut admin, None, algorithm, None, None).ok()? };
    let admin = Admin(admin);
    let mut hash = [0_u8; 64];
    let mut length = size(hash.len());
    // SAFETY: the context and the file are open, and the buffer holds as many bytes as the length says.
    unsafe {
        CryptCATAdminCalcHashFromFileHandle2(
            admin.0,
            borrowed(file),
            &raw mut length,
            Some(hash.as_mut_ptr()),
            None,
        )
        .ok()?;
    }
    let hash = hash.get_mut(..length as usize)?;
    let mut catalog = Catalog { admin: admin.0, context: 0 };
    for _ in 0..CATALOGS {
        let mut before = catalog.context;
        // The call gives back the one before.
        catalog.context = 0;
        // SAFETY: the contexts are open, and the hash outlives the call.
        catalog.context =
            unsafe { CryptCATAdminEnumCatalogFromHash(admin.0, hash, None, Some(&raw mut before)) };
        if catalog.context == 0 {
            return None;
        }
        let mut info = CATALOG_INFO { cbStruct: size(size_of::<CATALOG_INFO>()), ..CATALOG_INFO::default() };
        // SAFETY: the context is open, and the structure is as large as it says.
        if unsafe { CryptCATCatalogInfoFromContext(catalog.context, &raw mut info, 0) }.is_err() {
            continue;
        }
        let signature = verify_in(path, file, hash, &info, &admin);
        if matches!(signature, Signature::Valid(_)) {
            return Some(signature);
        }
    }
    None
}

fn verify_in(path: &Path, file: &File, hash: &mut [u8], catalog: &CATALOG_INFO, admin: &Admin) -> Signature {
    // A catalog knows its members by their hash in capital letters.
    let tag: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
    let (path, tag, catalog) = (wide(path), wide(tag), wide(from_wide(&catalog.wszCatalogFile)));
    let mut subject = WINTRUST_CATALOG_INFO {
        cbStruct: size(size_of::<WINTRUST_CATALOG_INFO>()),
        pcwszCatalogFilePath: PCWSTR(catalog.as_ptr()),
        pcwszMemberTag: PCWSTR(tag.as_ptr()),
        pcwszMemberFilePath: PCWSTR(path.as_ptr()),
        hMemberFile: borrowed(file),
        pbCalculatedFileHash: hash.as_mut_ptr(),
        cbCalculatedFileHash: size(hash.len()),
        hCatAdmin: admin.0,
        ..WINTRUST_CATALOG_INFO::default()
    };
    // SAFETY: the structure and all it names outlive the call.
    unsafe { ask(WTD_CHOICE_CATALOG, WINTRUST_DATA_0 { pCatalog: &raw mut subject }) }
}

/// Asks Windows about a subject, and who signed it.
///
/// # Safety
/// `subject` must be of the kind `choice` names, and all that it names must live until the end of the call.
unsafe fn ask(choice: WINTRUST_DATA_UNION_CHOICE, subject: WINTRUST_DATA_0) -> Signature {
    let mut action: GUID = WINTRUST_ACTION_GENERIC_VERIFY_V2;
    let mut data = WINTRUST_DATA {
        cbStruct: size(size_of::<WINTRUST_DATA>()),
        dwUIChoice: WTD_UI_NONE,
        fdwRevocationChecks: WTD_REVOKE_NONE,
        dwUnionChoice: choice,
        Anonymous: subject,
        dwStateAction: WTD_STATEACTION_VERIFY,
        dwProvFlags: WTD_CACHE_ONLY_URL_RETRIEVAL | WTD_REVOCATION_CHECK_NONE | WTD_DISABLE_MD2_MD4,
        ..WINTRUST_DATA::default()
    };
    // No window: nobody may be asked.
    let nobody = HWND(std::ptr::without_provenance_mut(usize::MAX));
    // SAFETY: the caller's word for the subject; the rest lives here. What the first call keeps is given back by the second.
    unsafe {
        let code = HRESULT(WinVerifyTrust(nobody, &raw mut action, (&raw mut data).cast()));
        let signer = signer(data.hWVTStateData);
        data.dwStateAction = WTD_STATEACTION_CLOSE;
        WinVerifyTrust(nobody, &raw mut action, (&raw mut data).cast());
        judge(code, signer)
    }
}

/// What an answer means. Whatever is not surely good is not taken for it.
fn judge(code: HRESULT, signer: Option<String>) -> Signature {
    let nameless = || NAMELESS.to_owned();
    match (code, signer) {
        (HRESULT(0), Some(signer)) => Signature::Valid(signer),
        (HRESULT(0), None) => Signature::Unproven(nameless()),
        (TRUST_E_BAD_DIGEST, signer) => Signature::Broken(signer.unwrap_or_else(nameless)),
        (TRUST_E_NOSIGNATURE | TRUST_E_SUBJECT_FORM_UNKNOWN | TRUST_E_PROVIDER_UNKNOWN, _) => {
            Signature::Absent
        }
        (_, Some(signer)) => Signature::Unproven(signer),
        // It could not even be looked at: nothing is known, so nobody vouches for it.
        (_, None) => Signature::Absent,
    }
}

/// The name of whom the certificate is for with which the subject was signed.
///
/// # Safety
/// `state` must be what a verification has left, or null.
unsafe fn signer(state: HANDLE) -> Option<String> {
    if state.is_invalid() {
        return None;
    }
    let mut name = [0_u16; 512];
    // SAFETY: the state is that of a verification that is not closed; all that is reached from it lives as long, and every
    // pointer is looked at before it is followed.
    let length = unsafe {
        let provider = WTHelperProvDataFromStateData(state);
        if provider.is_null() {
            return None;
        }
        let signer = WTHelperGetProvSignerFromChain(provider, 0, false, 0).as_ref()?;
        if signer.csCertChain == 0 {
            return None;
        }
        // The first of the chain is the signer's own.
        let leaf = signer.pasCertChain.as_ref()?;
        if leaf.pCert.is_null() {
            return None;
        }
        CertGetNameStringW(leaf.pCert, CERT_NAME_SIMPLE_DISPLAY_TYPE, 0, None, Some(&mut name))
    };
    let name = from_wide(name.get(..length as usize)?).to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(0)
}

/// The right to ask catalogs.
struct Admin(isize);

impl Drop for Admin {
    fn drop(&mut self) {
        // SAFETY: it was acquired by us, and is released only here.
        let _ = unsafe { CryptCATAdminReleaseContext(self.0, 0) };
    }
}

/// A catalog that is open, if it is not 0.
struct Catalog {
    admin: isize,
    context: isize,
}

impl Drop for Catalog {
    fn drop(&mut self) {
        if self.context != 0 {
            // SAFETY: it was handed out by the list of this context, which outlives it, and is released only here.
            let _ = unsafe { CryptCATAdminReleaseCatalogContext(self.admin, self.context, 0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_windows_surely_trusts_is_valid() {
        let signer = || Some("Example Ltd".to_owned());
        let expired = HRESULT(0x800B_0101_u32.cast_signed());
        for (code, signer, expected) in [
            (HRESULT(0), signer(), Signature::Valid("Example Ltd".to_owned())),
            (HRESULT(0), None, Signature::Unproven(NAMELESS.to_owned())),
            (TRUST_E_BAD_DIGEST, signer(), Signature::Broken("Example Ltd".to_owned())),
            (TRUST_E_BAD_DIGEST, None, Signature::Broken(NAMELESS.to_owned())),
            (TRUST_E_NOSIGNATURE, None, Signature::Absent),
            (expired, signer(), Signature::Unproven("Example Ltd".to_owned())),
            (expired, None, Signature::Absent),
        ] {
            assert_eq!(judge(code, signer), expected);
        }
    }

    #[test]
    fn a_file_of_our_own_making_is_signed_by_nobody() {
        let path = std::env::current_exe().unwrap();
        assert_eq!(verify(&path, &File::open(&path).unwrap()), Signature::Absent);
    }
}
