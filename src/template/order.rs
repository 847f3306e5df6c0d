//! In which order resources are made: what others need comes first, else as in the template.

use std::collections::BTreeMap;

/// The order of `nodes`, of which each has the names it needs; names that are no nodes are passed over. An error is a
/// cycle: each of its names needs the next, and the last the first.
pub(super) fn order(nodes: &[(&str, Vec<&str>)]) -> Result<Vec<usize>, Vec<String>> {
    let places: BTreeMap<&str, usize> = nodes.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
    let mut marks = vec![Mark::New; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    for start in 0..nodes.len() {
        // The nodes that are begun, each needed by the one before, with the needs that are left of each.
        let mut way: Vec<(usize, std::slice::Iter<'_, &str>)> = Vec::new();
        let mut next = Some(start);
        loop {
            if let Some(place) = next.take() {
                match marks.get(place) {
                    Some(Mark::New) => {
                        marks[place] = Mark::Begun;
                        way.push((place, nodes[place].1.iter()));
                    }
                    Some(Mark::Begun) => {
                        let cycle = way.iter().skip_while(|(begun, _)| *begun != place);
                        return Err(cycle.map(|(place, _)| nodes[*place].0.to_owned()).collect());
                    }
                    Some(Mark::Done) | None => {}
                }
            }
            let Some((place, needs)) = way.last_mut() else { break };
            match needs.next() {
                Some(name) => next = places.get(name).copied(),
                None => {
                    marks[*place] = Mark::Done;
                    order.push(*place);
                    way.pop();
                }
            }
        }
    }
    Ok(order)
}

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    New,
    Begun,
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_else_the_order_stays() {
        let nodes = [("c", vec!["b", "unknown"]), ("a", vec![]), ("b", vec![]), ("d", vec!["c", "a"])];
        assert_eq!(order(&nodes), Ok(vec![2, 0, 1, 3]));
    }

    #[test]
    fn a_cycle_is_told_without_the_way_to_it() {
        let nodes = [("x", vec!["a"]), ("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["a"])];
        assert_eq!(order(&nodes), Err(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        assert_eq!(order(&[("a", vec!["a"])]), Err(vec!["a".to_owned()]));
    }
}
