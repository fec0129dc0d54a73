#[cfg(target_os = "linux")]
mod linux;

use super::*;

#[test]
fn a_file_is_written_whole_and_one_that_is_there_is_left_alone_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    write(&path, b"one", Existing::Keep).unwrap();
    assert_eq!(write(&path, b"two", Existing::Keep).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"one");
    write(&path, b"two", Existing::Replace).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    // Also where somebody reads it just now: who began with the old one has the old one.
    let mut reader = open(&path, Links::Follow).unwrap();
    let reading = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(150));
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    write(&path, b"three", Existing::Replace).unwrap();
    assert_eq!(reading.join().unwrap().unwrap(), "two");
    assert_eq!(read_text(&path).unwrap(), "three");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn what_is_no_file_of_text_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read_text(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    assert_eq!(read_text(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    let path = folder.path().join("file");
    fs::write(&path, b"\xff").unwrap();
    assert_eq!(read_text(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(read_at_most(&path, Links::Refuse, 0).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert!(is_there(&path).unwrap() && !is_there(&path.join("below")).unwrap());
}

#[test]
fn a_file_is_moved_over_another_one_in_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_new(&at("tmp"), b"new").unwrap();
    fs::write(at("queue"), "old").unwrap();
    rename_durably(&at("tmp"), &at("queue")).unwrap();
    assert_eq!(fs::read(at("queue")).unwrap(), b"new");
    assert!(!at("tmp").exists() && rename_durably(&at("tmp"), &at("queue")).is_err());
}
