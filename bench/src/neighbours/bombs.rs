//! Components that are made to hurt whoever scans or compiles them: three of the kinds that `tests/it/uploads/bombs.rs` has
//! whole. Each is a good component with one more module in it, which nothing instantiates and every compiler compiles.

/// One that the scan refuses, one that a compiler takes minutes for, and one that takes its memory.
pub(super) fn all(component: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
    [one_enormous_function(), loops_in_loops(), tables_of_branches()]
        .into_iter()
        .map(|module| Ok(with_module(component, &wat::parse_str(module)?)))
        .collect()
}

fn module(function: &str, count: usize) -> String {
    format!("(module {})", format!("(func (param i64) (result i64) {function} local.get 0)").repeat(count))
}

/// Instructions that keep a compiler busy and mean nothing.
fn terms(count: usize) -> String {
    "local.get 0 i64.const 7 i64.mul local.get 0 i64.const 3 i64.add i64.rotl local.set 0 ".repeat(count)
}

fn one_enormous_function() -> String {
    module(&terms(300_000), 1)
}

fn loops_in_loops() -> String {
    let open = "loop local.get 0 local.get 1 i64.add local.set 1 local.get 2 local.get 0 i64.xor local.set 2 ";
    let close = "local.get 1 local.get 2 i64.lt_u br_if 0 local.get 2 local.set 3 local.get 3 local.set 0 end ";
    module(&format!("(local i64 i64 i64) {}{}", open.repeat(2_000), close.repeat(2_000)), 60)
}

/// Every target of every table is an edge, and every local is merged along it.
fn tables_of_branches() -> String {
    let table = format!("local.get 0 i32.wrap_i64 br_table {} ", "0 1 2 3 4 5 6 7 ".repeat(4_000));
    module(&format!("{}{table}{}", "block ".repeat(8), "end ".repeat(8)), 600)
}

/// A core module is a section of the component around it: its id, its length, its bytes.
fn with_module(component: &[u8], module: &[u8]) -> Vec<u8> {
    [component, &[1], &leb(module.len()), module].concat()
}

/// A length as the binary format writes it: seven bits a byte, the least first.
fn leb(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_as_the_binary_format_has_it() {
        assert_eq!(
            [leb(0), leb(127), leb(128), leb(624_485)],
            [vec![0], vec![127], vec![128, 1], vec![0xe5, 0x8e, 0x26]]
        );
    }
}
