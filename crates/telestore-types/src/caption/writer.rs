use super::{Caption, Entity, EntityKind, kept};

/// Writes a text piece by piece, and what parts of it look like.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    units: usize,
    open: Vec<(usize, EntityKind)>,
    entities: Vec<Entity>,
}

impl Writer {
    /// Adds text, to the letter.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars().filter_map(kept) {
            self.text.push(c);
            self.units += c.len_utf16();
        }
    }

    /// What follows looks like this, until its [`end`](Self::end).
    pub(super) fn start(&mut self, kind: &EntityKind) {
        self.open.push((self.units, kind.clone()));
    }

    /// Ends what began last.
    pub(super) fn end(&mut self) {
        if let Some((offset, kind)) = self.open.pop() {
            self.entities.push(Entity::new(offset, self.units - offset, kind));
        }
    }

    /// What was written, with what is still open ended.
    pub(super) fn finish(mut self) -> Caption {
        while !self.open.is_empty() {
            self.end();
        }
        // Of those that begin at one place the longer ones hold the others; what was ended later is the outer one.
        self.entities.reverse();
        self.entities.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
        Caption::trimmed(&self.text, self.entities)
    }
}
