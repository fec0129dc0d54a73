use super::super::rights::sync_folder;
use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn a_file_that_is_there_is_left_alone_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    write(&path, b"one", Existing::Keep).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(write(&path, b"two", Existing::Keep).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"one");
    write(&path, b"two", Existing::Replace).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o604);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_file_is_not_waited_for_and_a_link_is_followed_only_if_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(read_text(&at("pipe")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    fs::write(at("file"), "text").unwrap();
    std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
    assert_eq!(read(&at("link"), Links::Follow).unwrap(), b"text");
    assert!(read(&at("link"), Links::Refuse).is_err());
    fs::write(at("file"), b"\xff").unwrap();
    assert_eq!(read_text(&at("file")).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn what_is_made_in_a_shared_folder_is_for_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    let (own, shared) = (folder.path().join("own"), folder.path().join("shared"));
    make_folder_within(&own).unwrap();
    write_new(&own.join("file"), b"x").unwrap();
    assert_eq!((mode(&own), mode(&own.join("file"))), (0o700, 0o600));
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o2770)).unwrap();
    make_folder_within(&shared.join("queue")).unwrap();
    write_new(&shared.join("queue/file"), b"x").unwrap();
    assert_eq!((mode(&shared.join("queue")), mode(&shared.join("queue/file"))), (0o2770, 0o640));
}

#[test]
fn a_pipe_in_place_of_a_folder_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("queue");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let (done, waited) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(sync_folder(&pipe).unwrap_err().kind()));
    let kind = waited.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(kind, io::ErrorKind::NotADirectory);
}

#[test]
fn a_folder_in_which_others_may_write_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    assert!(must_be_ours(folder.path()).is_ok());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(must_be_ours(folder.path()).unwrap_err().to_string().contains("chmod go-w"));
}

#[test]
fn a_link_laid_in_the_way_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (path, victim) = (folder.path().join("policy.toml"), folder.path().join("victim"));
    fs::write(&victim, "precious").unwrap();
    let trap = folder.path().join(format!("policy.toml.{}.new", std::process::id()));
    std::os::unix::fs::symlink(&victim, &trap).unwrap();
    write(&path, b"new", Existing::Replace).unwrap();
    assert_eq!(
        (fs::read(&victim).unwrap(), fs::read(&path).unwrap()),
        (b"precious".to_vec(), b"new".to_vec())
    );
}
