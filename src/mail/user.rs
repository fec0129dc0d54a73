//! Who delivers, where two users share an outbox.

/// The user whose own group this is: of an outbox that two users share, the one that delivers.
#[must_use]
pub fn user_of_group(passwd: &[u8], group: u32) -> Option<u32> {
    let numbers = |line: &str| {
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?))
    };
    let lines = passwd.split(|b| *b == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(numbers).find(|(user, own)| *own == group && *user != 0).map(|(user, _)| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_delivers_is_the_user_whose_own_group_has_the_outbox() {
        let passwd =
            b"root:x:0:0::/root:/bin/sh\nbroken\nw:x:997:997::/:/x\nm:x:996:995::/:/x\n\xff:x:1:995\n";
        assert_eq!(user_of_group(passwd, 995), Some(996));
        assert_eq!(user_of_group(passwd, 4), None);
        assert_eq!(user_of_group(b"root:x:0:0::/root:/bin/sh", 0), None);
    }
}
