use super::*;
use expect_test::expect;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

#[test]
fn a_request_is_read_by_its_first_line() {
    for (line, asked) in [
        ("GET /metrics HTTP/1.1", Asked::Metrics),
        ("GET /metrics?x=y HTTP/1.0", Asked::Metrics),
        ("GET http://web1:9469/metrics HTTP/1.1", Asked::Metrics),
        ("HEAD /metrics HTTP/1.1", Asked::Head),
        ("GET / HTTP/1.1", Asked::Elsewhere),
        ("GET /metrics/ HTTP/1.1", Asked::Elsewhere),
        ("GET /../etc/passwd HTTP/1.1", Asked::Elsewhere),
        ("GET http://web1 HTTP/1.1", Asked::Elsewhere),
        ("POST /metrics HTTP/1.1", Asked::OtherMethod),
        ("OPTIONS * HTTP/1.1", Asked::OtherMethod),
        ("", Asked::Nonsense),
        ("GET /metrics", Asked::Nonsense),
        ("GET metrics HTTP/1.1", Asked::Nonsense),
        ("GET /metrics HTTP/2.0", Asked::Nonsense),
        ("GET  /metrics HTTP/1.1", Asked::Nonsense),
        ("get /metrics HTTP/1.1", Asked::Nonsense),
        ("\u{1b} /metrics HTTP/1.1", Asked::Nonsense),
    ] {
        assert_eq!(parse_request(format!("{line}\r\nHost: web1\r\n\r\n").as_bytes()), asked, "{line}");
    }
    assert_eq!(parse_request(b"GET /\xff HTTP/1.1\r\n\r\n"), Asked::Nonsense);
}

/// What a client gets that sends this and then waits.
fn talk(sends: &[u8]) -> (io::Result<()>, String) {
    let (here, mut client) = UnixStream::pair().unwrap();
    let sends = sends.to_vec();
    let served = thread::spawn(move || {
        serve(&here, &here, Duration::from_millis(700), || Ok("passes 1\n".to_owned()))
    });
    // It may answer, and go, before all was sent.
    let _ = client.write_all(&sends);
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer);
    (served.join().unwrap(), answer)
}

#[test]
fn each_request_gets_its_answer_and_the_connection_ends() {
    let mut all = String::new();
    for request in ["GET /metrics", "HEAD /metrics", "GET /", "DELETE /metrics", "nonsense"] {
        let (served, answer) = talk(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        served.unwrap();
        all += &format!("=== {request}\n{}", answer.replace("\r\n", "\n"));
    }
    expect![[r#"
        === GET /metrics
        HTTP/1.1 200 OK
        Content-Type: text/plain; version=0.0.4; charset=utf-8
        Content-Length: 9
        X-Content-Type-Options: nosniff
        Connection: close

        passes 1
        === HEAD /metrics
        HTTP/1.1 200 OK
        Content-Type: text/plain; version=0.0.4; charset=utf-8
        Content-Length: 9
        X-Content-Type-Options: nosniff
        Connection: close

        === GET /
        HTTP/1.1 404 Not Found
        Content-Type: text/plain; version=0.0.4; charset=utf-8
        Content-Length: 27
        X-Content-Type-Options: nosniff
        Connection: close

        the counts are at /metrics
        === DELETE /metrics
        HTTP/1.1 405 Method Not Allowed
        Content-Type: text/plain; version=0.0.4; charset=utf-8
        Content-Length: 42
        X-Content-Type-Options: nosniff
        Allow: GET, HEAD
        Connection: close

        the counts can only be read: GET /metrics
        === nonsense
        HTTP/1.1 400 Bad Request
        Content-Type: text/plain; version=0.0.4; charset=utf-8
        Content-Length: 24
        X-Content-Type-Options: nosniff
        Connection: close

        that is no HTTP request
    "#]]
    .assert_eq(&all);
}

#[test]
fn who_never_asks_or_never_ends_is_not_waited_for() {
    let (served, answer) = talk(b"GET /metrics HTTP/1.1\r\nHost:");
    assert_eq!((served.unwrap_err().kind(), answer.as_str()), (io::ErrorKind::TimedOut, ""));
    let (served, answer) = talk(&vec![b'x'; 20_000]);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
    let _ = served;
    let (here, client) = UnixStream::pair().unwrap();
    drop(client);
    let served = serve(&here, &here, DEADLINE, || Ok(String::new()));
    assert_eq!(served.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn who_never_takes_the_answer_is_not_waited_for() {
    let (here, mut client) = UnixStream::pair().unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let served = serve(&here, &here, Duration::from_millis(300), || Ok("x".repeat(10_000_000)));
    assert_eq!(served.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn where_there_are_no_counts_it_says_why() {
    let answer = answer(Asked::Metrics, || Err("the store cannot be read".to_owned()));
    let text = String::from_utf8(answer.to_bytes()).unwrap();
    assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nthe store cannot be read\n"), "{text}");
}
