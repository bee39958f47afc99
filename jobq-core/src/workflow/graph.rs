//! The order of steps: what comes after what, and that nothing comes after itself.

use std::collections::VecDeque;

/// How far each step is from the last that comes after it: 0 for one that nothing comes after.
///
/// `after` has the steps that each comes after. A circle is given as an error: steps each of which comes
/// after the one before it, the first after the last.
pub(super) fn heights(after: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (step, befores) in after.iter().enumerate() {
        for before in befores {
            followers[*before].push(step);
        }
    }
    let mut heights = vec![0; after.len()];
    let mut left: Vec<usize> = followers.iter().map(Vec::len).collect();
    let mut last: VecDeque<usize> = (0..after.len()).filter(|step| left[*step] == 0).collect();
    while let Some(step) = last.pop_front() {
        for before in &after[step] {
            heights[*before] = heights[*before].max(heights[step] + 1);
            left[*before] -= 1;
            if left[*before] == 0 {
                last.push_back(*before);
            }
        }
    }
    match left.iter().position(|left| *left > 0) {
        None => Ok(heights),
        Some(step) => Err(circle(step, &followers, &left)),
    }
}

/// Every step that is left has a follower that is left, so going from one to the next comes round.
fn circle(start: usize, followers: &[Vec<usize>], left: &[usize]) -> Vec<usize> {
    let mut path = Vec::new();
    let mut step = start;
    loop {
        if let Some(begin) = path.iter().position(|other| *other == step) {
            return path.split_off(begin);
        }
        path.push(step);
        match followers[step].iter().find(|follower| left[**follower] > 0) {
            Some(follower) => step = *follower,
            None => return path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_high_as_what_comes_after_them() {
        // 0 ─▶ 1 ─▶ 3, 0 ─▶ 2 ─▶ 3, and 4 alone.
        let after = [vec![], vec![0], vec![0], vec![1, 2], vec![]];

        assert_eq!(heights(&after), Ok(vec![2, 1, 1, 0, 0]));
        assert_eq!(heights(&[]), Ok(vec![]));
    }

    #[test]
    fn a_circle_is_found_wherever_it_is() {
        // 0 ─▶ 1 ─▶ 2 ─▶ 3 ─▶ 1, and 3 ─▶ 4.
        let after = [vec![], vec![0, 3], vec![1], vec![2], vec![3]];
        let mut circle = heights(&after).unwrap_err();
        circle.sort_unstable();

        assert_eq!(circle, [1, 2, 3]);
        assert_eq!(heights(&[vec![0]]), Err(vec![0]), "after itself");
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let after: Vec<Vec<usize>> =
            (0..100_000_usize).map(|n| n.checked_sub(1).into_iter().collect()).collect();

        assert_eq!(heights(&after).unwrap()[0], 99_999);
    }
}
