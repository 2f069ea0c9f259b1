//! What instantiating a component costs before its first instruction, in bytes: active segments are copied and tables are
//! filled by the host, without fuel, once for every instance of their module. A module that is instantiated often, in a
//! component that is instantiated often, is copied as often as that.
//!
//! Counted along with the scan, by following the index spaces of modules and components. What comes in from outside of a
//! component is counted as the heaviest thing that there can be.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, DataKind, ElementItems, ElementKind, Instance, Payload,
};

/// What an element of a table counts, in bytes.
const ELEMENT: u64 = 16;
/// What an instance counts, whatever is in it, in bytes.
const INSTANCE: u64 = 4 << 10;
/// What an instance of a component from outside counts in instances of the heaviest module.
const INSTANCES: u64 = 64;

/// What there is in one component.
#[derive(Debug, Default)]
struct Frame {
    /// By index: what one instance costs.
    modules: Vec<u64>,
    components: Vec<u64>,
    total: u64,
}

/// The weights of what was seen so far.
#[derive(Debug)]
pub(super) struct Weights {
    here: Frame,
    /// The components around it, the outermost first.
    around: Vec<Frame>,
    /// The module that is being read.
    module: Option<u64>,
    heaviest: u64,
}

impl Weights {
    /// For a component of this many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let heaviest = (bytes as u64).saturating_mul(ELEMENT);
        Self { here: Frame::default(), around: Vec::new(), module: None, heaviest }
    }

    pub(super) fn enter_module(&mut self) {
        self.module = Some(INSTANCE);
    }

    pub(super) fn enter_component(&mut self) {
        self.around.push(std::mem::take(&mut self.here));
    }

    /// The end of a module or of a component within another.
    pub(super) fn leave(&mut self) {
        match self.module.take() {
            Some(weight) => self.here.modules.push(weight),
            None => {
                let inner = std::mem::replace(&mut self.here, self.around.pop().unwrap_or_default());
                self.here.components.push(inner.total);
            }
        }
    }

    /// What one instance of the whole costs, as far as it was read.
    pub(super) fn total(&self) -> u64 {
        self.around.first().unwrap_or(&self.here).total
    }

    pub(super) fn see(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::DataSection(section) => {
                for data in section.clone() {
                    let data = data?;
                    if matches!(data.kind, DataKind::Active { .. }) {
                        self.add_to_module(data.data.len() as u64);
                    }
                }
            }
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    let element = element?;
                    let items = match element.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    if matches!(element.kind, ElementKind::Active { .. }) {
                        self.add_to_module(u64::from(items).saturating_mul(ELEMENT));
                    }
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        let weight = self.module_at(0, module_index);
                        self.add(weight);
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance? {
                        let weight = self.component_at(0, component_index);
                        self.add(weight);
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    match import?.ty {
                        ComponentTypeRef::Module(_) => self.new_module(None),
                        ComponentTypeRef::Component(_) => self.new_component(None),
                        _ => {}
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.alias(&alias?);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    // What is exported has another index from here on.
                    match export.kind {
                        ComponentExternalKind::Module => {
                            let weight = self.module_at(0, export.index);
                            self.new_module(Some(weight));
                        }
                        ComponentExternalKind::Component => {
                            let weight = self.component_at(0, export.index);
                            self.new_component(Some(weight));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        use ComponentAlias::{InstanceExport, Outer};
        match *alias {
            InstanceExport { kind: ComponentExternalKind::Module, .. } => self.new_module(None),
            InstanceExport { kind: ComponentExternalKind::Component, .. } => self.new_component(None),
            Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } => {
                let weight = self.module_at(count, index);
                self.new_module(Some(weight));
            }
            Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let weight = self.component_at(count, index);
                self.new_component(Some(weight));
            }
            _ => {}
        }
    }

    fn add_to_module(&mut self, bytes: u64) {
        if let Some(weight) = &mut self.module {
            *weight = weight.saturating_add(bytes);
        }
    }

    fn add(&mut self, weight: u64) {
        self.here.total = self.here.total.saturating_add(weight);
    }

    fn new_module(&mut self, weight: Option<u64>) {
        let weight = weight.unwrap_or(self.heaviest);
        self.here.modules.push(weight);
    }

    fn new_component(&mut self, weight: Option<u64>) {
        let weight = weight.unwrap_or(self.heaviest.saturating_mul(INSTANCES));
        self.here.components.push(weight);
    }

    /// `outwards` components around this one. What is not there is for the compiler to refuse.
    fn frame(&self, outwards: u32) -> Option<&Frame> {
        std::iter::once(&self.here).chain(self.around.iter().rev()).nth(usize::try_from(outwards).ok()?)
    }

    fn module_at(&self, outwards: u32, index: u32) -> u64 {
        let found = self.frame(outwards).zip(usize::try_from(index).ok());
        found.and_then(|(frame, index)| frame.modules.get(index)).copied().unwrap_or(self.heaviest)
    }

    fn component_at(&self, outwards: u32, index: u32) -> u64 {
        let found = self.frame(outwards).zip(usize::try_from(index).ok());
        found.and_then(|(frame, index)| frame.components.get(index)).copied().unwrap_or(self.heaviest)
    }
}
