import pytest

from gui.layout import MINIMUM_SIZE, arrange
from gui.panel import BUTTONS, NAVIGATION
from xiangqi import BLACK, RED, parse_square

SIZES = [MINIMUM_SIZE, (800, 600), (1280, 800), (1920, 1080), (900, 1400), (3840, 2160)]


@pytest.fixture(params=SIZES, ids=str)
def layout(request):
    return arrange(*request.param, len(BUTTONS), len(NAVIGATION))


class TestHitTesting:
    @pytest.mark.parametrize("bottom", [RED, BLACK])
    def test_every_point_leads_back_to_its_square(self, layout, bottom):
        for square in range(90):
            x, y = layout.point(square, bottom)
            reach = 0.3 * layout.cell
            for dx, dy in ((0, 0), (reach, reach), (-reach, reach), (reach, -reach), (-reach, -reach)):
                assert layout.square_at((x + dx, y + dy), bottom) == square

    def test_red_below_has_a0_at_the_lower_left(self, layout):
        a0, i0, a9 = (layout.point(parse_square(name), RED) for name in ("a0", "i0", "a9"))
        assert a0[0] == a9[0] < i0[0]
        assert a0[1] == i0[1] > a9[1]

    def test_flipping_turns_by_180_degrees_and_never_mirrors(self, layout):
        for square in range(90):
            assert layout.point(square, BLACK) == layout.point(89 - square, RED)
        a0, i0, a9 = (layout.point(parse_square(name), BLACK) for name in ("a0", "i0", "a9"))
        assert i0[0] < a0[0] == a9[0]
        assert a0[1] == i0[1] < a9[1]

    @pytest.mark.parametrize("bottom", [RED, BLACK])
    def test_between_points_and_beside_the_board_there_is_no_square(self, layout, bottom):
        x, y = layout.point(40, bottom)
        assert layout.square_at((x + layout.cell / 2, y + layout.cell / 2), bottom) is None
        assert layout.square_at((layout.plate.x + 1, layout.plate.y + 1), bottom) is None
        assert layout.square_at((layout.panel.centerx, layout.panel.centery), bottom) is None


@pytest.mark.parametrize("size", SIZES[:4])
@pytest.mark.parametrize("density", [1.25, 1.5, 2])
def test_on_a_dense_screen_all_is_as_large_and_in_the_same_place(size, density):
    numbers = len(BUTTONS), len(NAVIGATION)
    plain, dense = (
        arrange(*size, *numbers),
        arrange(*(round(density * side) for side in size), *numbers, density=density),
    )

    def parts(layout):
        return [layout.plate, *layout.cards, layout.view, *layout.buttons]

    for a, b in zip(parts(plain), parts(dense), strict=True):
        assert all(abs(density * x - y) < 5 for x, y in zip(a, b, strict=True))
    assert all(abs(density * plain.text(size) - dense.text(size)) <= density for size in (11, 14, 20))


class TestArrangement:
    def test_nothing_overlaps_and_all_is_in_the_window(self, layout):
        width, height = layout.size
        parts = [*layout.cards, layout.tabs, layout.view, *layout.navigation, layout.status, *layout.buttons]
        assert all(layout.panel.contains(part) for part in parts)
        for i, part in enumerate(parts):
            assert part.collidelist(parts[i + 1 :]) < 0
        assert not layout.plate.colliderect(layout.panel)
        assert not layout.bar.colliderect(layout.plate)
        assert layout.bar.left >= 0
        for outer in (layout.plate, layout.panel):
            assert 0 <= outer.left < outer.right <= width
            assert 0 <= outer.top < outer.bottom <= height

    def test_the_move_list_keeps_room_for_five_lines(self, layout):
        assert layout.view.height >= 5 * layout.px(27)
