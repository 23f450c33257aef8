"""Where the names of classes stand."""

import numpy as np

from vaecli.pictures.label_places import find_places


def disc(count, x, y, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 2)) * 0.5 + [x, y]


def test_every_large_cluster_of_a_class_is_named_and_small_ones_are_not():
    clusters = {(0, 0): 60, (10, 0): 60, (0, 10): 20}  # the last has a seventh of the points
    points = np.concatenate([*(disc(n, *at) for at, n in clusters.items()), disc(80, 10, 10)])
    classes, places = find_places(points, np.repeat([3, 7], [140, 80]))
    assert classes.tolist() == [3, 3, 7]
    np.testing.assert_allclose(places[places[:, 0].argsort(kind="stable")][0], [0, 0], atol=0.6)
    assert {tuple(place) for place in places.round(-1)} == {(0, 0), (10, 0), (10, 10)}


def test_the_name_of_a_bent_cluster_stands_on_one_of_its_points():
    angle = np.linspace(0.5, 5.8, 200)
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    _, places = find_places(points, np.zeros(200, int))
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), [1])


def test_a_class_without_a_cluster_is_named_once_in_its_middle():
    points = np.concatenate([disc(200, 0, 0), [[-9, 1], [-8, 1], [9, 1]]])
    classes, places = find_places(points, np.repeat([0, 1], [200, 3]))
    assert classes.tolist() == [0, 1]
    assert places[1].tolist() == [-8, 1]


def test_equal_points_have_a_place():
    classes, places = find_places(np.ones((30, 2)), np.arange(30) % 2)
    assert (classes.tolist(), places.tolist()) == ([0, 1], [[1, 1], [1, 1]])


def test_a_cluster_is_large_from_a_fifth_of_its_class():
    points = np.concatenate(
        [disc(n, *at) for n, at in ((56, (0, 0)), (26, (20, 0)), (18, (0, 20)))]
    )
    _, places = find_places(points, np.zeros(100, int))
    assert sorted(tuple(place) for place in np.abs(places.round(-1))) == [(0, 0), (20, 0)]


def test_clusters_of_a_class_of_many_points_are_all_named():
    """More points than are looked at, in an order in which the clusters follow each other."""
    points = np.concatenate([disc(1500, 0, 0), disc(1500, 20, 0), disc(1500, 40, 0)])
    _, places = find_places(points, np.zeros(4500, int))
    assert sorted(places[:, 0].round(-1)) == [0, 20, 40]


def test_points_in_a_lattice_are_one_cluster_and_near_clusters_are_two():
    """Whatever the number of points and the longer side of the map."""
    lattice = np.stack(np.meshgrid(np.arange(20.0), np.arange(10.0)), -1).reshape(-1, 2)
    classes, _ = find_places(lattice, np.zeros(200, int))
    assert classes.tolist() == [0]
    gap = np.concatenate([disc(500, 0, 0) / 4, disc(500, 6, 0) / 4, disc(9, 4, 4)])
    classes, _ = find_places(gap, np.repeat([0, 1], [1000, 9]))
    assert classes.tolist() == [0, 0, 1]
