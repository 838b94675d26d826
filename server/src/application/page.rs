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

/// How many bytes a page may have before it ends early. What a page costs to read and to send is not to
/// depend on what somebody wrote into its items.
const MOST_BYTES: usize = 1024 * 1024;

impl<T, K> Page<T, K> {
    /// Like [`of`](Self::of), for items whose size others decide: fewer when they are large, but one.
    pub fn within(
        items: Vec<T>,
        limit: u32,
        size: impl Fn(&T) -> usize,
        key: impl FnOnce(&T) -> K,
    ) -> Self {
        let mut room = MOST_BYTES;
        let fits = items.iter().take_while(|item| {
            let fits = room > 0;
            room = room.saturating_sub(size(item));
            fits
        });
        let fits = u32::try_from(fits.count()).unwrap_or(u32::MAX);
        Self::of(items, limit.min(fits), key)
    }
}

/// How many bytes something is when it is written down.
pub fn size_of(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |bytes| bytes.len())
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

    #[test]
    fn a_page_of_large_items_ends_early_and_never_without_one() {
        let page = |size: usize| Page::within(vec![0, 1, 2, 3], 3, |_| size, |n| *n);
        assert_eq!((page(10).items.len(), page(10).next), (3, Some(2)));
        let half = page(MOST_BYTES / 2 + 1);
        assert_eq!((half.items, half.next), (vec![0, 1], Some(1)));
        let large = page(MOST_BYTES * 2);
        assert_eq!((large.items, large.next), (vec![0], Some(0)));
        assert_eq!(Page::within(vec![0; 0], 3, |_| 1, |n| *n).next, None);
    }
}
