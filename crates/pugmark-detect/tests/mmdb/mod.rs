//! A writer of small databases (`MaxMind` DB file format specification 2.0): IPv4, blocks of 2¹⁶.

use serde_json::{Value, json};

/// A database of /16 blocks and their records.
pub(crate) fn database(blocks: &[([u8; 2], Value)]) -> Vec<u8> {
    let mut data = Vec::new();
    // Nodes as (left, right): a node's number, or none, or a record's offset.
    let mut nodes: Vec<[Target; 2]> = vec![[Target::Nothing; 2]];
    for (block, record) in blocks {
        let offset = data.len();
        put(record, &mut data);
        let mut node = 0;
        for bit in 0..16 {
            let side = usize::from(block[bit / 8] >> (7 - bit % 8) & 1);
            if bit == 15 {
                nodes[node][side] = Target::Record(offset);
            } else if let Target::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Target::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Target::Node(next);
                node = next;
            }
        }
    }
    let mut bytes = Vec::new();
    for target in nodes.iter().flatten() {
        let number = match target {
            Target::Node(node) => *node,
            Target::Nothing => nodes.len(),
            Target::Record(offset) => nodes.len() + 16 + offset,
        };
        bytes.extend_from_slice(&(number as u32).to_be_bytes());
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xAB\xCD\xEFMaxMind.com");
    let metadata = json!({
        "node_count": nodes.len(), "record_size": 32, "ip_version": 4, "database_type": "Test-City",
        "languages": ["en"], "binary_format_major_version": 2, "binary_format_minor_version": 0,
        "build_epoch": 1_768_471_200, "description": {"en": "test"},
    });
    put(&metadata, &mut bytes);
    bytes
}

#[derive(Clone, Copy)]
enum Target {
    Nothing,
    Node(usize),
    Record(usize),
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, rest) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    if kind < 8 {
        out.push(kind << 5 | short);
    } else {
        out.extend_from_slice(&[short, kind - 7]);
    }
    out.extend(rest);
}

/// An unsigned number, of as many bytes as its type has.
fn unsigned(kind: u8, number: u64, out: &mut Vec<u8>) {
    let size = match kind {
        5 => 2,
        6 => 4,
        _ => 8,
    };
    control(kind, size, out);
    out.extend_from_slice(&number.to_be_bytes()[8 - size..]);
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            control(7, members.len(), out);
            for (name, member) in members {
                put(&Value::String(name.clone()), out);
                match member.as_u64().filter(|_| name.ends_with("_count")) {
                    Some(number) => unsigned(6, number, out),
                    None => put(member, out),
                }
            }
        }
        Value::Array(items) => {
            control(11, items.len(), out);
            for item in items {
                put(item, out);
            }
        }
        Value::String(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        number => {
            if let Some(number) = number.as_u64() {
                unsigned(if number < 1 << 16 { 5 } else { 9 }, number, out);
            } else {
                control(3, 8, out);
                out.extend_from_slice(&number.as_f64().unwrap_or_default().to_be_bytes());
            }
        }
    }
}
