//! T1: what an operator's export may do is to read. Whatever changes something wants another permit.

use insula_tenancy::{Export, Manage, Permit};

fn write(_permit: &Permit<'_, Manage>) {}

fn pry(export: &Permit<'_, Export>) {
    write(export);
}

fn main() {}
