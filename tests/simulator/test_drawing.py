"""Drawings are JPEGs of the right size that differ by person, pose, place and hour."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from PIL import Image

from hub.simulator.drawing import pen, people, scenes, vehicles
from hub.simulator.scenario.population import (
    BEARDS,
    GLASSES,
    HAIR_STYLES,
    HATS,
    PLACES,
    CameraPlace,
)
from hub.wire.pictures import real_type
from tests.simulator.commands import POPULATION


def size_of(jpeg: bytes) -> tuple[int, int]:
    assert real_type(jpeg) == "image/jpeg"
    with Image.open(io.BytesIO(jpeg)) as image:
        image.load()
        return image.size


def test_every_person_has_a_different_face() -> None:
    everybody = (*POPULATION.known, *POPULATION.strangers)
    faces = {people.face_jpeg(person, 0) for person in everybody}
    assert len(faces) == len(everybody)
    assert {size_of(face) for face in faces} == {people.FACE_SIZE}


@pytest.mark.parametrize(
    ("feature", "choices"),
    [
        *(("hair_style", HAIR_STYLES), ("glasses", GLASSES), ("hat", HATS), ("beard", BEARDS)),
        ("earrings", (False, True)),
    ],
)
def test_each_feature_of_a_look_is_seen(feature: str, choices: tuple[str | bool, ...]) -> None:
    one = POPULATION.known[0]
    plain = replace(one.look, hair_style="bald", glasses="none", hat="none", beard="none")
    looks = [replace(plain, **{"earrings": False, feature: choice}) for choice in set(choices)]
    assert len({people.face_jpeg(replace(one, look=look), 0) for look in looks}) == len(looks)


def test_each_pose_of_a_person_looks_different() -> None:
    person = POPULATION.known[0]
    assert len({people.face_jpeg(person, pose) for pose in range(4)}) == 4


@pytest.mark.parametrize("place", [place for place, _ in PLACES])
def test_every_place_has_a_scene_for_each_part_of_the_day(place: CameraPlace) -> None:
    person = POPULATION.known[0]
    pictures = {
        people.background_jpeg(person, 0, place, hour, position=0.5, caption="08:00:00  Gate")
        for hour in (3, 7, 12, 18)
    }
    assert len(pictures) == 4
    assert {size_of(picture) for picture in pictures} == {scenes.SCENE_SIZE}
    assert size_of(people.body_jpeg(person, 1, place, 12)) == people.FIGURE_SIZE


@pytest.mark.parametrize("event", [1, 3, 8])
def test_an_event_without_a_person_has_a_scene(event: int) -> None:
    picture = scenes.scene_jpeg("yard", 12, event=event, caption="")
    assert size_of(picture) == scenes.SCENE_SIZE


def test_vehicle_and_plate_lie_within_the_full_picture() -> None:
    for car in POPULATION.cars:
        full, vehicle, plate = vehicles.vehicle_jpegs(car, "YUE", "carpark", 12, caption="")
        assert size_of(full) == scenes.SCENE_SIZE
        assert size_of(vehicle) == vehicles.VEHICLE_SIZE
        assert size_of(plate) == vehicles.PLATE_SIZE
    for x, y, w, h in (vehicles.VEHICLE_LOC, vehicles.PLATE_LOC):
        assert x + w <= scenes.SCENE_SIZE[0]
        assert y + h <= scenes.SCENE_SIZE[1]


def test_the_part_of_the_day_follows_from_the_hour() -> None:
    parts = [scenes.part_of_day(hour) for hour in range(24)]
    assert parts[3] == parts[23] == "night"
    assert (parts[6], parts[12], parts[18]) == ("dawn", "day", "dusk")


def test_a_halved_picture_has_half_the_width_and_height() -> None:
    picture = people.background_jpeg(POPULATION.known[0], 0, "gate", 12, position=0.5, caption="")
    small = pen.halved_jpeg(picture)
    assert size_of(small) == (scenes.SCENE_SIZE[0] // 2, scenes.SCENE_SIZE[1] // 2)
    assert len(small) < len(picture) / 2
