//! What waits for a pass: kinds, counts, and what is told again.

use super::batch::STARTERS;
use super::*;
use crate::processes::Executable;

fn process(pid: u32, exe: &str, user: &str) -> Arc<Process> {
    let process = Process {
        pid,
        start: u64::from(pid),
        since: Timestamp::UNIX_EPOCH,
        parent: 1,
        exe: Executable::Path(exe.into()),
        script: None,
        name: "x".into(),
        args: Vec::new(),
        uid: 0,
        user: user.into(),
        unit: None,
        container: false,
        files: None,
    };
    Arc::new(process)
}

fn ancestor(pid: u32) -> Ancestor {
    serde_json::from_value(serde_json::json!({ "pid": pid, "what": "/bin/sh", "user": "alice" })).unwrap()
}

fn pool() -> Pool {
    let pool = Pool::new(Timestamp::UNIX_EPOCH);
    pool.told(Some(1000));
    pool
}

fn origin() -> Arc<Origin> {
    Arc::default()
}

/// What is handed over, in words; and its ticket.
fn taken(pool: &Pool, stored: Ticket, kernel: u64, listed: &[Arc<Process>]) -> (String, Ticket) {
    let listing = Listing::new(Timestamp::UNIX_EPOCH, listed.iter().cloned());
    let taken = pool.take(stored, Some(kernel), &listing, |_| false);
    let called = |process: &Process| crate::processes::origin::called(process);
    let ended = taken.ended.iter().map(|e| format!("{} {} x{}", called(&e.process), e.process.user, e.times));
    let living = taken.living.iter().map(|p| format!("{} {} runs", called(p), p.user));
    let all: Vec<String> = living.chain(ended).collect();
    (all.join(", "), taken.ticket)
}

fn counts(pool: &Pool) -> Counts {
    let Starts::Told(counts) = pool.in_all() else { panic!("it is told") };
    counts
}

#[test]
fn those_of_a_kind_are_one_entry_and_new_kinds_are_news_once() {
    let pool = pool();
    let news = [1, 2, 3].map(|pid| pool.program(&process(pid, "/tmp/x", "alice"), Birth::Other, &origin));
    assert_eq!(news, [News::Kind, News::Known, News::Known]);
    assert_eq!(pool.program(&process(4, "/tmp/x", "bob"), Birth::Other, &origin), News::Kind);
    for pid in 1..=4 {
        pool.ended(pid, Timestamp::UNIX_EPOCH);
    }
    let (said, ticket) = taken(&pool, Ticket::default(), 1000, &[]);
    assert_eq!(said, "/tmp/x alice x3, /tmp/x bob x1");
    assert_eq!(taken(&pool, ticket, 1000, &[]).0, "");
    pool.forget_known();
    assert_eq!(pool.program(&process(5, "/tmp/x", "alice"), Birth::Other, &origin), News::Kind);
}

#[test]
fn what_runs_is_not_told_of_as_ended_and_what_is_listed_not_twice() {
    let pool = pool();
    let [a, b] = [10, 11].map(|pid| process(pid, "/tmp/x", "alice"));
    let c = process(12, "/tmp/y", "alice");
    for process in [&a, &b, &c] {
        pool.program(process, Birth::Other, &origin);
    }
    pool.ended(11, Timestamp::UNIX_EPOCH);
    let (said, _) = taken(&pool, Ticket::default(), 1000, &[a]);
    assert_eq!(said, "/tmp/y alice runs, /tmp/x alice x1");
}

#[test]
fn a_server_that_gives_up_root_is_judged_as_what_it_becomes() {
    let pool = pool();
    pool.program(&process(10, "/usr/sbin/pickup", "root"), Birth::Other, &origin);
    assert!(pool.waits_for(10));
    pool.another_user(&process(10, "/usr/sbin/pickup", "postfix"), Birth::Other, &origin);
    pool.ended(10, Timestamp::UNIX_EPOCH);
    assert_eq!(taken(&pool, Ticket::default(), 1000, &[]).0, "/usr/sbin/pickup postfix x1");
    // One that lives is judged as it is listed.
    pool.program(&process(20, "/usr/sbin/qmgr", "root"), Birth::Other, &origin);
    let listed = process(20, "/usr/sbin/qmgr", "postfix");
    let stored = pool.inner().last;
    assert_eq!(taken(&pool, stored, 1000, &[listed]).0, "");
}

/// The same process, as if it ran this script.
fn runs(process: &Arc<Process>, script: Option<&str>) -> Arc<Process> {
    Arc::new(Process { script: script.map(Text::from), ..Process::clone(process) })
}

/// Those that show themselves otherwise, in words; and the ticket.
fn hidden(pool: &Pool, stored: Ticket, listed: &[&Arc<Process>]) -> (Vec<String>, Ticket) {
    let listing = Listing::new(Timestamp::UNIX_EPOCH, listed.iter().map(|process| Arc::clone(process)));
    let taken = pool.take(stored, Some(1000), &listing, |_| false);
    assert!(taken.living.is_empty() && taken.ended.is_empty(), "{taken:?}");
    let words = |hidden: &Ended| {
        let Process { pid, user, script, .. } = &*hidden.process;
        format!("{pid} {user} {}", script.as_deref().unwrap_or("no script"))
    };
    (taken.earlier.iter().map(words).collect(), taken.ticket)
}

#[test]
fn what_one_showed_when_it_started_is_told_for_as_long_as_it_runs_and_shows_another_thing() {
    let pool = pool();
    let shows = process(10, "/usr/bin/python3.11", "alice");
    let was = runs(&shows, Some("(standard input)"));
    pool.program(&was, Birth::Other, &origin);
    let told = ["10 alice (standard input)"];
    let (said, ticket) = hidden(&pool, Ticket::default(), &[&shows]);
    assert_eq!(said, told);
    let (said, ticket) = hidden(&pool, ticket, &[&shows]);
    assert_eq!(said, told, "it still runs");
    pool.ended(10, Timestamp::UNIX_EPOCH);
    assert_eq!(hidden(&pool, ticket, &[]).0, [""; 0]);
    // Another user does not wash it off.
    pool.program(&was, Birth::Other, &origin);
    let user = |process: &Arc<Process>| Arc::new(Process { user: "bob".into(), ..Process::clone(process) });
    pool.another_user(&user(&shows), Birth::Other, &origin);
    let stored = pool.inner().last;
    let (said, ticket) = hidden(&pool, stored, &[&user(&shows)]);
    assert_eq!(said, ["10 bob (standard input)"]);
    // Only another program is another thing, even one that nobody could read.
    pool.starts_another(10);
    assert_eq!(hidden(&pool, ticket, &[&shows]).0, [""; 0]);
}

#[test]
fn who_acts_for_another_user_in_another_unit_or_from_a_replaced_file_is_judged_once() {
    let pool = pool();
    let process = process(10, "/usr/sbin/sshd", "root");
    pool.program(&process, Birth::Other, &origin);
    let listed = Arc::new(Process {
        user: "alice".into(),
        unit: Some("user-1000.slice".into()),
        name: "sshd: alice".into(),
        args: vec!["sshd: alice@pts/0".into()],
        exe: Executable::Deleted("/usr/sbin/sshd".into()),
        ..Process::clone(&process)
    });
    assert_eq!(hidden(&pool, Ticket::default(), &[&listed]).0, [""; 0]);
}

#[test]
fn starts_on_their_way_are_no_loss_and_lost_ones_are_counted_exactly() {
    let pool = pool();
    for _ in 0..100 {
        pool.started();
    }
    // Some are on their way to us.
    taken(&pool, Ticket::default(), 1130, &[]);
    assert_eq!(counts(&pool), Counts { started: 100, seen: 100, ..Counts::default() });
    for _ in 0..30 {
        pool.started();
    }
    pool.lost(7);
    assert!(pool.has_lost() && !pool.has_lost());
    taken(&pool, Ticket::default(), 1135, &[]);
    assert_eq!(counts(&pool), Counts { started: 135, seen: 130, lost: 7, ..Counts::default() });
    // Even if no message says that anything was lost.
    taken(&pool, Ticket::default(), 2135, &[]);
    assert_eq!(counts(&pool).started, 1135);
}

#[test]
fn more_kinds_than_are_kept_are_counted_and_told_by_who_started_them_until_a_pass_makes_room() {
    let all = u32::try_from(2 * KINDS).unwrap();
    let pool = pool();
    let nothing = Listing::new(Timestamp::UNIX_EPOCH, Vec::<Process>::new());
    let by = ancestor(7);
    let from = || Arc::new(Origin { ancestors: vec![by.clone()], ..Origin::default() });
    let start = |pid: u32| pool.program(&process(pid, &format!("/tmp/{pid}"), "alice"), Birth::Other, &from);
    let news: Vec<News> = (0..all).map(start).collect();
    assert!(news.iter().all(|news| *news == News::Kind));
    let Taken { ticket, living, unread, beyond, .. } =
        pool.take(Ticket::default(), Some(1000), &nothing, |_| false);
    assert_eq!((living.len(), beyond), (KINDS, u64::from(all) - KINDS as u64));
    assert_eq!(unread, [Unread { by: by.clone(), times: beyond }]);
    assert_eq!((counts(&pool).unread, counts(&pool).programs), (0, u64::from(all)));
    // Those that were judged before hurry a pass only when many have gathered.
    let hurried = (0..all / 4 + 10).filter(|pid| start(*pid) == News::Kind).count();
    assert_eq!(hurried, 1);
    assert_eq!(pool.take(ticket, Some(1000), &nothing, |_| false).beyond, 0);
}

#[test]
fn where_nothing_is_told_it_says_why() {
    let pool = pool();
    pool.untold("a reason".to_owned());
    assert_eq!(pool.in_all(), Starts::Untold("a reason".to_owned()));
    let listing = Listing::new(Timestamp::UNIX_EPOCH, Vec::<Process>::new());
    let taken = pool.take(Ticket::default(), None, &listing, |_| false);
    assert_eq!(taken.starts, Starts::Untold("a reason".to_owned()));
}

#[test]
fn those_that_ended_unread_are_told_by_who_started_them_and_again_if_that_was_not_stored() {
    let pool = pool();
    let by = |pid| Ancestor { pid, what: "/bin/sh".into(), user: "alice".into(), ended: false, typed: false };
    let unread = |pool: &Pool, stored| {
        let nothing = Listing::new(Timestamp::UNIX_EPOCH, Vec::<Process>::new());
        let Taken { ticket, unread, .. } = pool.take(stored, Some(1000), &nothing, |_| false);
        (unread.iter().map(|unread| (unread.by.pid, unread.times)).collect::<Vec<_>>(), ticket)
    };
    for pid in [7, 8, 8] {
        pool.unread(Some(by(pid)));
    }
    pool.unread(None);
    assert_eq!(unread(&pool, Ticket::default()).0, [(8, 2), (7, 1)]);
    pool.unread(Some(by(8)));
    let (again, ticket) = unread(&pool, Ticket::default());
    assert_eq!(again, [(8, 3), (7, 1)]);
    assert_eq!(unread(&pool, ticket).0, []);
    assert_eq!(counts(&pool).unread, 5);
    for pid in 0..1000 {
        pool.unread(Some(by(pid)));
    }
    assert_eq!((unread(&pool, ticket).0.len(), counts(&pool).unread), (STARTERS, 1005));
}

#[test]
fn one_that_calls_itself_otherwise_is_told_of_by_its_last_name() {
    let pool = pool();
    for pid in [10, 11] {
        pool.program(&process(pid, "/tmp/x", "alice"), Birth::Other, &origin);
    }
    // The other one of its kind stands for both.
    pool.renamed(11, "sshd".into());
    pool.renamed(10, "kworker/0:1".into());
    let nothing = Listing::new(Timestamp::UNIX_EPOCH, Vec::<Process>::new());
    let taken = pool.take(Ticket::default(), Some(1000), &nothing, |_| false);
    assert_eq!(taken.living.len(), 1);
    assert_eq!(taken.living[0].name, "kworker/0:1");
}
