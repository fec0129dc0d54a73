//! Sockets of the Unix domain at paths: those that everybody may talk to.

use super::pids;
use super::support::eyes::{Eyes, policy};
use super::support::player::Player;
use host_watchdog::finding::Code;

#[test]
fn of_the_sockets_at_paths_those_are_seen_that_everybody_may_talk_to() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let script = "import os,socket,sys
folder=sys.argv[1]; os.chmod(folder,0o755)
def door(name,mode,kind=socket.SOCK_STREAM):
    s=socket.socket(socket.AF_UNIX,kind); s.bind(name)
    if name[0]=='/': os.chmod(name,mode)
    if kind!=socket.SOCK_DGRAM: s.listen()
    return s
os.mkdir(folder+'/closed',0o700)
k=[door(folder+'/open',0o666),door(folder+'/mine',0o660),door(folder+'/closed/open',0o666),
   door(folder+'/log',0o622,socket.SOCK_DGRAM),door('\\0watchdog-test-%d'%os.getpid(),0),
   door(folder+'/a\\nb',0o777,socket.SOCK_SEQPACKET),door(folder+'/gone',0o666)]
os.unlink(folder+'/gone')
client=socket.socket(socket.AF_UNIX); client.connect(folder+'/open')
print('ready'); sys.stdin.read()
";
    let doors = Player::ready(Player::python(script).arg(folder.path()));
    let mut eyes = Eyes::of("unix-listener");
    let snapshot = eyes.look(&policy("[[unix-listener]]\npath = \"/none\"\n"));
    let seen = snapshot.unix_listeners.as_ref().unwrap().facts().unwrap().sockets.as_ref().unwrap();
    let its: Vec<String> = seen
        .iter()
        .filter(|socket| pids(&socket.owners).contains(&doors.pid()))
        .map(|socket| socket.path.replace(folder.path().to_str().unwrap(), ""))
        .collect();
    let abstract_one = format!("@watchdog-test-{}", doors.pid());
    assert_eq!(its, ["/a\\x0ab", "/log", "/open", &abstract_one]);
    let learned = eyes.learn(&snapshot);
    let found = eyes.judge(&snapshot, &learned);
    assert!(found.iter().all(|finding| finding.code == Code::CoverageGap), "{found:#?}");
}
