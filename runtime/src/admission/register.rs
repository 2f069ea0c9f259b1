//! Tenants by a small number, so that a call finds its own without a search. Numbers of those that are gone are used again.

/// A number that means nothing.
pub(super) type Key = usize;

#[derive(Debug)]
pub(super) struct Register<T> {
    entries: Vec<Option<T>>,
    free: Vec<Key>,
}

impl<T> Register<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    pub(super) fn add(&mut self, entry: T) -> Key {
        if let Some(key) = self.free.pop()
            && let Some(place) = self.entries.get_mut(key)
        {
            *place = Some(entry);
            return key;
        }
        self.entries.push(Some(entry));
        self.entries.len() - 1
    }

    /// Whoever has the key must not use it any more.
    pub(super) fn remove(&mut self, key: Key) {
        if self.entries.get_mut(key).and_then(Option::take).is_some() {
            self.free.push(key);
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.entries.get(key)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries.get_mut(key)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_never_twice_at_once() {
        let mut register = Register::new();
        let [first, second] = ["first", "second"].map(|name| register.add(name));
        register.remove(first);
        register.remove(first);
        assert_eq!(register.get(first), None);
        let [third, fourth] = ["third", "fourth"].map(|name| register.add(name));
        assert_eq!((third, register.get(second)), (first, Some(&"second")));
        assert_eq!([third, fourth].map(|key| register.get_mut(key).copied()), [Some("third"), Some("fourth")]);
        assert_eq!(register.entries.len(), 3);
    }
}
