"""Trees as classifiers: tests that do not change the class named are left out of a key."""

from __future__ import annotations

from irtheory.trees.tree import Tree


def merge_same_class(tree: Tree) -> Tree:
    """The tree with leaves for subtrees that name one class (argmax of the value) throughout.

    It names the same class for every input; what is lost is how sure each merged leaf was.
    """
    return _merged(tree, 0)


def _merged(tree: Tree, node: int) -> Tree:
    value, count = tree.value[node], float(tree.count[node])
    leaf = Tree.leaf(value, count, tree.n_features)
    if tree.feature[node] < 0:
        return leaf
    left, right = (_merged(tree, int(child[node])) for child in (tree.left, tree.right))
    named = {int(part.value[0].argmax()) for part in (left, right, leaf)}
    if left.n_nodes == right.n_nodes == len(named) == 1:
        return leaf
    return Tree.grow(
        int(tree.feature[node]), float(tree.threshold[node]), left, right, value, count
    )
