//! Which node of a Cluster has which keys.

use redis::Value;

use super::address::Node;

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// The slot of a key (Redis Cluster specification, "Key distribution model"): of what is in its first braces, if
/// there is anything in them.
pub(super) fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let hashed = tag.map(|(tag, _)| tag).filter(|tag| !tag.is_empty());
    let crc = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
    crc.checksum(hashed.unwrap_or(key).as_bytes()) % SLOTS
}

/// Instead of the name of a node that wasn't told it (`cluster-preferred-endpoint-type hostname`).
const UNKNOWN: &str = "?";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    primary: Node,
}

/// Ranges of slots and their primaries, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotMap(Vec<Range>);

impl SlotMap {
    /// Reads what `CLUSTER SLOTS` answers. A node that doesn't say its host is the one that was `asked`. Slots
    /// of one whose address isn't known have no primary.
    pub(super) fn read(answer: &Value, asked: &Node) -> Option<Self> {
        let Value::Array(ranges) = answer else {
            return None;
        };
        let ranges: Vec<_> = ranges
            .iter()
            .map(|range| read_range(range, asked))
            .collect::<Option<_>>()?;
        let mut ranges: Vec<_> = ranges.into_iter().flatten().collect();
        ranges.sort_by_key(|range| range.first);
        Some(Self(ranges))
    }

    /// The primary that has a slot.
    pub(super) fn primary_of(&self, slot: u16) -> Option<&Node> {
        let at = self.0.partition_point(|range| range.last < slot);
        let range = self.0.get(at).filter(|range| range.first <= slot)?;
        Some(&range.primary)
    }

    /// Every primary, once.
    pub(super) fn primaries(&self) -> Vec<Node> {
        let mut nodes: Vec<_> = self.0.iter().map(|range| range.primary.clone()).collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    /// Whether every slot has a primary.
    pub(super) fn is_whole(&self) -> bool {
        let mut next = 0;
        for range in &self.0 {
            if range.first != next {
                return false;
            }
            next = range.last + 1;
        }
        next == SLOTS
    }
}

/// `[first, last, [host, port, id, [name, value, …]], …replicas]`; nothing for a primary without an address.
fn read_range(range: &Value, asked: &Node) -> Option<Option<Range>> {
    let Value::Array(parts) = range else {
        return None;
    };
    let [first, last, Value::Array(primary), ..] = parts.as_slice() else {
        return None;
    };
    let [host, port, more @ ..] = primary.as_slice() else {
        return None;
    };
    let host = match host {
        Value::Nil => "",
        host => text(host)?,
    };
    let host = match host {
        "" => Some(asked.0.as_str()),
        UNKNOWN => more.get(1).and_then(ip),
        host => Some(host),
    };
    let (first, last, port) = (slot(first)?, slot(last)?, number(port)?);
    Some(host.map(|host| Range {
        first,
        last,
        primary: (host.to_owned(), port),
    }))
}

/// The address that stands beside a name, or beside the lack of one.
fn ip(metadata: &Value) -> Option<&str> {
    let Value::Array(pairs) = metadata else {
        return None;
    };
    let mut pairs = pairs.chunks_exact(2);
    let pair = pairs.find(|pair| text(&pair[0]) == Some("ip"))?;
    text(&pair[1]).filter(|ip| !ip.is_empty())
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

fn slot(value: &Value) -> Option<u16> {
    number(value).filter(|slot| *slot < SLOTS)
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

/// Reads `host:port` of a redirection; an IPv6 address has no brackets there. Nothing when the address isn't known.
pub(super) fn read_node(text: &str, asked: &str) -> Option<Node> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host {
        UNKNOWN => return None,
        "" => asked,
        host => host,
    };
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let node = Value::Array(vec![
            host,
            Value::Int(port),
            Value::BulkString(b"id".into()),
        ]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    fn host(name: &str) -> Value {
        Value::BulkString(name.as_bytes().into())
    }

    #[test]
    fn slots_are_found_by_what_is_in_the_braces() {
        // What `CLUSTER KEYSLOT` says.
        for (key, slot) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("rt:{foo}", 12_182),
            ("{foo}{bar}", 12_182),
            ("{}foo", 9_500),
            ("", 0),
        ] {
            assert_eq!(slot_of(key), slot, "{key}");
        }
    }

    #[test]
    fn a_map_says_who_has_a_slot_and_whether_all_have_one() {
        let asked = ("seed".to_owned(), 7_000);
        let of = |ranges: Vec<Value>| SlotMap::read(&Value::Array(ranges), &asked);
        let high = || range(8_192, 16_383, host("b"), 2);
        let whole = of(vec![high(), range(0, 8_191, host("a"), 1)]).expect("a map");
        assert!(whole.is_whole());
        assert_eq!(whole.primary_of(8_191), Some(&("a".to_owned(), 1)));
        assert_eq!(whole.primary_of(8_192), Some(&("b".to_owned(), 2)));
        assert_eq!(whole.primaries().len(), 2);

        let part = of(vec![high(), range(0, 8_190, Value::Nil, 1)]).expect("a map");
        assert!(!part.is_whole());
        assert_eq!(part.primary_of(8_191), None);
        assert_eq!(part.primary_of(0), Some(&("seed".to_owned(), 1)));
        assert!(!SlotMap::default().is_whole());
        assert_eq!(SlotMap::default().primary_of(1), None);
    }

    /// While names are given to the nodes, one after the other.
    #[test]
    fn a_node_without_its_name_is_found_by_its_address() {
        let asked = ("seed".to_owned(), 7_000);
        let unnamed = |metadata: Value| {
            let node = vec![host("?"), Value::Int(6_379), host("id"), metadata];
            let range = vec![Value::Int(0), Value::Int(9), Value::Array(node)];
            SlotMap::read(&Value::Array(vec![Value::Array(range)]), &asked).expect("a map")
        };
        let known = unnamed(Value::Array(vec![host("ip"), host("10.0.0.2")]));
        assert_eq!(known.primary_of(0), Some(&("10.0.0.2".to_owned(), 6_379)));
        let unknown = unnamed(Value::Array(vec![]));
        assert_eq!(unknown.primary_of(0), None, "not the one that was asked");
        assert_eq!(read_node("?:6379", "a"), None);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let asked = ("seed".to_owned(), 7_000);
        for bad in [
            Value::Nil,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![range(0, 16_384, host("a"), 1)]),
            Value::Array(vec![range(0, 1, host("a"), 70_000)]),
        ] {
            assert_eq!(SlotMap::read(&bad, &asked), None, "{bad:?}");
        }
        assert_eq!(read_node("host:port", "a"), None);
        assert_eq!(read_node("::1:6379", "a"), Some(("::1".to_owned(), 6_379)));
        assert_eq!(read_node(":6379", "a"), Some(("a".to_owned(), 6_379)));
    }
}
