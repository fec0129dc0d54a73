use super::*;
use proptest::prelude::*;

fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(7_u32.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn a_route_with_many_ways_is_a_route_each() {
    let hop = |link: u32, via: [u8; 4]| {
        let mut hop = 16_u16.to_ne_bytes().to_vec();
        hop.extend([0, 0]);
        hop.extend(link.to_ne_bytes());
        hop.extend(attribute(5, &via));
        hop
    };
    // IPv4, the length of the net, table main, static, scope, unicast.
    let mut payload = vec![2, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
    payload.extend(attribute(1, &[10, 9, 0, 0]));
    payload.extend(attribute(9, &[hop(2, [192, 0, 2, 1]), hop(3, [192, 0, 2, 2])].concat()));
    let items = parse_answer(&message(ROUTE, &payload), 7).items;
    let seen: Vec<String> = items
        .iter()
        .map(|item| match item {
            Item::Route(route) => format!("{} {:?} {:?} {}", route.to, route.via, route.link, route.by),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        seen,
        ["10.9.0.0/24 Some(192.0.2.1) Some(2) static", "10.9.0.0/24 Some(192.0.2.2) Some(3) static"]
    );
}

#[test]
fn an_error_ends_the_answer() {
    let answer = parse_answer(&message(ERROR, &(-1_i32).to_ne_bytes()), 7);
    assert_eq!((answer.done, answer.error), (true, Some(1)));
    assert!(parse_answer(&message(DONE, &0_i32.to_ne_bytes()), 7).done);
    assert_eq!(parse_answer(&message(DONE, &0_i32.to_ne_bytes()), 8), Answer::default());
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>, kind in prop::sample::select(vec![LINK, ADDRESS, ROUTE, NEIGHBOUR])) {
        let _ = parse_answer(&bytes, 0);
        let _ = parse_answer(&message(kind, &bytes), 7);
        let of_ipv4 = [&[2, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0], &bytes[..]].concat();
        let _ = parse_answer(&message(ROUTE, &of_ipv4), 7);
    }
}
