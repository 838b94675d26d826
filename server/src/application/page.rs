//! Pages of lists in a stable order.

/// Some items and where the next page starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, K> {
    pub items: Vec<T>,
    /// None at the end.
    pub next: Option<K>,
}

impl<T, K> Page<T, K> {
    /// From up to one item more than `limit`: that one tells whether there is a next page.
    pub fn of(mut items: Vec<T>, limit: u32, key: impl FnOnce(&T) -> K) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(key) } else { None };
        Self { items, next }
    }
}

/// How many items to ask a store for.
pub const fn with_one_more(limit: u32) -> u32 {
    limit.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_item_too_many_is_not_shown_and_says_that_there_is_more() {
        let page = |n: i32| Page::of((0..n).collect(), 3, |n| *n);
        assert_eq!(page(0).next, None);
        assert_eq!(
            page(3),
            Page {
                items: vec![0, 1, 2],
                next: None
            }
        );
        assert_eq!(
            page(4),
            Page {
                items: vec![0, 1, 2],
                next: Some(2)
            }
        );
    }
}
