//! T1: there is no scope that stands for nobody, and none that stands for somebody by default.

use insula_tenancy::TenantScope;

fn main() {
    let _scope: TenantScope = Default::default();
}
