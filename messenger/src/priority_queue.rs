//! The dispatch queue's order: strict above, fair below.
//!
//! Items of priority 64 and more are strict: the highest priority first, inside one priority the connections take
//! turns. Items below share what is left by token buckets: every item taken earns each priority tokens in proportion
//! to itself, and a priority may go as long as its tokens cover the cost of its next item.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Items of one priority, in turns over their classes.
struct Level<T> {
    /// Classes that have items, the next one first.
    turns: VecDeque<u64>,
    classes: HashMap<u64, VecDeque<(u64, T)>>,
    len: usize,
    tokens: u64,
}

impl<T> Level<T> {
    fn new() -> Level<T> {
        Level { turns: VecDeque::new(), classes: HashMap::new(), len: 0, tokens: 0 }
    }

    fn push(&mut self, class: u64, cost: u64, item: T) {
        let items = self.classes.entry(class).or_default();
        if items.is_empty() {
            self.turns.push_back(class);
        }
        items.push_back((cost, item));
        self.len += 1;
    }

    fn front_cost(&self) -> Option<u64> {
        let class = self.turns.front()?;
        Some(self.classes.get(class)?.front()?.0)
    }

    fn pop(&mut self) -> Option<(u64, T)> {
        let class = self.turns.pop_front()?;
        let items = self.classes.get_mut(&class)?;
        let item = items.pop_front()?;
        if items.is_empty() {
            self.classes.remove(&class);
        } else {
            self.turns.push_back(class);
        }
        self.len -= 1;
        Some(item)
    }

    fn remove_class(&mut self, class: u64) -> impl Iterator<Item = T> + use<T> {
        self.turns.retain(|turn| *turn != class);
        let items = self.classes.remove(&class).unwrap_or_default();
        self.len -= items.len();
        items.into_iter().map(|(_, item)| item)
    }
}

/// A queue of `T`, each of a priority and a class (the connection it came from).
pub(crate) struct PriorityQueue<T> {
    strict: BTreeMap<u16, Level<T>>,
    fair: BTreeMap<u16, Level<T>>,
    max_tokens: u64,
    min_cost: u64,
}

impl<T> PriorityQueue<T> {
    /// An empty queue: tokens of one priority are capped at `max_tokens`, and no item costs less than `min_cost`.
    pub(crate) fn new(max_tokens: u64, min_cost: u64) -> PriorityQueue<T> {
        PriorityQueue { strict: BTreeMap::new(), fair: BTreeMap::new(), max_tokens, min_cost }
    }

    pub(crate) fn push_strict(&mut self, class: u64, priority: u16, item: T) {
        self.strict.entry(priority).or_insert_with(Level::new).push(class, 0, item);
    }

    pub(crate) fn push_fair(&mut self, class: u64, priority: u16, cost: u64, item: T) {
        // Not clamp(): the two options may cross.
        let cost = cost.max(self.min_cost).min(self.max_tokens);
        self.fair.entry(priority).or_insert_with(Level::new).push(class, cost, item);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        if let Some(mut level) = self.strict.last_entry() {
            let item = level.get_mut().pop();
            if level.get().len == 0 {
                level.remove();
            }
            return item.map(|(_, item)| item);
        }
        let covered = self.fair.iter().find(|(_, level)| level.front_cost().is_some_and(|cost| cost < level.tokens));
        let priority = *covered.or_else(|| self.fair.last_key_value())?.0;
        let level = self.fair.get_mut(&priority)?;
        let (cost, item) = level.pop()?;
        level.tokens = level.tokens.saturating_sub(cost);
        if level.len == 0 {
            self.fair.remove(&priority);
        }
        self.distribute(cost);
        Some(item)
    }

    /// Gives every waiting priority its share of `cost`.
    fn distribute(&mut self, cost: u64) {
        let total: u64 = self.fair.keys().map(|priority| u64::from(*priority)).sum();
        for (priority, level) in &mut self.fair {
            let share = u64::from(*priority).saturating_mul(cost) / total.max(1) + 1;
            level.tokens = level.tokens.saturating_add(share).min(self.max_tokens);
        }
    }

    /// Removes the items of a class.
    pub(crate) fn remove_class(&mut self, class: u64) -> Vec<T> {
        let mut removed = Vec::new();
        for levels in [&mut self.strict, &mut self.fair] {
            for level in levels.values_mut() {
                removed.extend(level.remove_class(class));
            }
            levels.retain(|_, level| level.len > 0);
        }
        removed
    }

    pub(crate) fn len(&self) -> usize {
        self.strict.values().chain(self.fair.values()).map(|level| level.len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut PriorityQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn strict_priorities_go_first_and_classes_take_turns() {
        let mut queue = PriorityQueue::new(16 << 20, 64 << 10);
        queue.push_fair(1, 63, 1, "fair");
        for item in ["a1", "a2"] {
            queue.push_strict(1, 127, item);
        }
        for item in ["b1", "b2"] {
            queue.push_strict(2, 127, item);
        }
        queue.push_strict(9, 196, "high");
        assert_eq!(queue.len(), 6);
        assert_eq!(drain(&mut queue), ["high", "a1", "b1", "a2", "b2", "fair"]);
    }

    #[test]
    fn below_64_each_priority_gets_a_share_in_proportion_to_itself() {
        let mut queue = PriorityQueue::new(16 << 20, 64 << 10);
        for _ in 0..1000 {
            queue.push_fair(1, 60, 0, "sixty");
            queue.push_fair(1, 20, 0, "twenty");
        }
        let first: Vec<_> = std::iter::from_fn(|| queue.pop()).take(400).collect();
        let low = first.iter().filter(|item| **item == "twenty").count();
        assert!((80..=120).contains(&low), "{low} of 400 had a quarter of the weight");
    }

    #[test]
    fn a_class_can_be_removed() {
        let mut queue = PriorityQueue::new(16 << 20, 64 << 10);
        queue.push_strict(1, 127, "mine");
        queue.push_strict(2, 127, "theirs");
        queue.push_fair(1, 10, 0, "mine too");
        assert_eq!(queue.remove_class(1), ["mine", "mine too"]);
        assert_eq!(drain(&mut queue), ["theirs"]);
        assert_eq!(queue.len(), 0);
    }
}
