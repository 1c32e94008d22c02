"""Bull's-eyes and montages: what is drawn, where, and that synthetic things say so."""

import dataclasses
import io
import itertools

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.errors import StudyError
from claimslicer.figures import palette, style
from claimslicer.figures.draw import bullseye_figure
from claimslicer.figures.face import difference_face, transmurality_face, volume_face
from claimslicer.figures.montage import slice_montage, synthesis_montage, view_of
from claimslicer.labels import Label
from matplotlib.colors import to_hex
from matplotlib.patches import Polygon
from PIL import Image


def texts(figure):
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts]
    return found


def fills(figure):
    """Fill colour of each segment, in the order drawn (1 to 17)."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Polygon)]
    return dict(enumerate((to_hex(patch.get_facecolor()).upper() for patch in patches), start=1))


def scale_ends(figure):
    """The texts at the ends of the colour bar."""
    labels = figure.axes[1].get_xticklabels()
    return labels[0].get_text(), labels[-1].get_text()


def opened(figure, **options):
    return Image.open(io.BytesIO(style.to_png(figure, **options)))


def test_volume_bullseye_writes_every_number_and_its_scale():
    values = {k: 0.5 * k for k in range(1, 17)}
    figure = bullseye_figure(volume_face(values))
    written = texts(figure)
    assert {f"{v:.1f}" for v in values.values()} <= set(written)
    assert {"Anterior", "Septum", "Inferior", "Lateral"} <= set(written)
    assert fills(figure)[17] == palette.MISSING and "–" in written
    assert scale_ends(figure) == ("0", "8")
    assert "ml" in figure.axes[1].get_xlabel()


def test_equal_volumes_have_equal_colours_on_a_given_scale():
    first, second = (
        bullseye_figure(volume_face({1: 2.0, 2: 4.0}, maximum=8)),
        bullseye_figure(volume_face({5: 2.0}, maximum=8)),
    )
    assert fills(first)[1] == fills(second)[5] != fills(first)[2]


def test_difference_bullseye_is_symmetric_with_white_at_zero():
    figure = bullseye_figure(difference_face({1: -3.0, 2: 0.0, 3: 1.0, 4: float("nan")}))
    assert scale_ends(figure) == ("−4.0", "+4.0"), "the next round number beyond 3"
    assert {"−3.0", "0.0", "+1.0"} <= set(texts(figure))
    colours = fills(figure)
    assert min(int(colours[2][i : i + 2], 16) for i in (1, 3, 5)) > 235
    assert colours[4] == palette.MISSING


def test_nothing_at_all_is_drawn_without_a_division_by_zero():
    zeros = dict.fromkeys(range(1, 18), 0.0)
    for figure in (
        bullseye_figure(volume_face(zeros)),
        bullseye_figure(difference_face(zeros)),
        bullseye_figure(transmurality_face(zeros)),
    ):
        assert opened(figure).width > 400
    assert set(fills(bullseye_figure(volume_face(zeros))).values()) == {"#FFFFFF"}
    assert "Not measured" in texts(bullseye_figure(volume_face({})))


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [
        (0.0, 0, "0"),
        (0.001, 1, "<1"),
        (0.005, 1, "<1"),
        (0.25, 1, "25"),
        (0.26, 2, "26"),
        (0.5, 2, "50"),
        (0.75, 3, "75"),
        (1, 4, "100"),
    ],
)
def test_transmurality_classes_have_their_colours(value, place, text):
    figure = bullseye_figure(transmurality_face({8: value}))
    assert fills(figure)[8] == palette.CLASS_COLOURS[place]
    assert text in texts(figure)


def test_traces_stay_pale():
    assert scale_ends(bullseye_figure(volume_face({1: 0.02}))) == ("0", "1")
    assert scale_ends(bullseye_figure(difference_face({1: -0.02}))) == ("−1.0", "+1.0")


def test_class_colours_darken_and_texts_stay_readable():
    def luminance(colour):
        return sum(w * int(colour[i : i + 2], 16) for w, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5)))

    steps = [luminance(colour) for colour in palette.CLASS_COLOURS]
    assert steps == sorted(steps, reverse=True)
    assert min(a - b for a, b in itertools.pairwise(steps)) > 10
    assert palette.ink_on(palette.rgb(palette.CLASS_COLOURS[-1])) == (1.0, 1.0, 1.0)
    assert palette.ink_on((1.0, 1.0, 1.0)) == palette.rgb(palette.INK)


def test_the_figure_shows_the_widgets_face():
    face = transmurality_face({k: k / 17 for k in range(1, 17)})
    figure = bullseye_figure(face)
    assert fills(figure) == {
        k: to_hex(face.colours.get(k, palette.rgb(palette.MISSING))).upper() for k in range(1, 18)
    }
    assert set(face.texts.values()) <= set(texts(figure))


@pytest.fixture(scope="module")
def ventricle():
    labels, frame = make_ventricle((1.2, 1.8, 8.0), slices=6)
    labels[frame.segments == 8] = Label.INFARCT
    labels[(frame.segments == 8) & (frame.transmural < 0.4)] = Label.MVO
    image = np.random.default_rng(0).normal(200, 20, labels.shape).astype(np.int16)
    return image, labels, frame.geometry


def test_view_shows_heart_slices_only_in_millimetres(ventricle):
    image, labels, geometry = ventricle
    heart = labels > 0
    heart = heart.copy()
    heart[[0, 4]] = False
    view = view_of(image, heart, geometry.spacing[:2], apex_first=True)
    assert view.slices == (5, 3, 2, 1)
    assert view_of(image, heart, geometry.spacing[:2]).slices == (1, 2, 3, 5)
    _, width, height, _ = view.extent
    # The wall is 64 mm across on both axes, whatever the pixels; the image ends 6 mm outside it.
    assert width == pytest.approx(76, abs=2) and height == pytest.approx(76, abs=2)
    assert view.window[0] < view.window[1]


def test_montage_refuses_an_empty_heart_and_other_shapes(ventricle):
    image, labels, geometry = ventricle
    with pytest.raises(StudyError, match="no heart"):
        slice_montage(image, np.zeros_like(labels), geometry)
    with pytest.raises(StudyError, match="different shapes"):
        slice_montage(image, labels[1:], geometry)


def test_slice_montage_has_two_panels_a_slice_on_one_window(ventricle):
    image, labels, geometry = ventricle
    figure = slice_montage(image, labels, geometry, reference=labels)
    assert len(figure.axes) == 2 * 6
    limits = {axes.images[0].get_clim() for axes in figure.axes}
    assert len(limits) == 1
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["Endocardium", "Epicardium", "Infarct", "MVO", "Reference infarct"]
    assert style.SYNTHETIC_TEXT not in texts(figure)


def test_synthetic_is_written_on_every_synthetic_panel_and_in_the_file(ventricle):
    image, labels, geometry = ventricle
    scar = (labels >= Label.INFARCT).astype(np.uint8)
    synthetic = image + 120 * scar.astype(np.int16)
    figure = synthesis_montage(image, synthetic, scar, geometry, heart=labels > 0)
    assert texts(figure).count(style.SYNTHETIC_TEXT) == 6 + 1
    assert opened(figure, synthetic=True).info["Comment"] == style.SYNTHETIC_TEXT
    assert "diagnosis" in opened(figure).info["Disclaimer"]
    differences = [axes.images[0] for axes in figure.axes[2:-1:3]]
    assert {drawn.get_clim() for drawn in differences} == {(-120.0, 120.0)}
    assert max(drawn.get_array().max() for drawn in differences) == 120.0
    assert style.SYNTHETIC_TEXT in texts(bullseye_figure(volume_face({1: 1.0}), synthetic=True))
    marked = slice_montage(image, labels, geometry, synthetic=True)
    assert texts(marked).count(style.SYNTHETIC_TEXT) == 6 + 1


def test_unsigned_images_don_t_wrap_round_in_the_difference(ventricle):
    _, labels, geometry = ventricle
    original = np.full(labels.shape, 200, np.uint8)
    synthetic = np.where(labels == Label.INFARCT, 50, original).astype(np.uint8)
    figure = synthesis_montage(original, synthetic, labels == Label.INFARCT, geometry)
    assert figure.axes[2].images[0].get_clim() == (-150.0, 150.0)
    assert min(axes.images[0].get_array().min() for axes in figure.axes[2:-1:3]) == -150.0


def test_save_png_writes_whole_files(tmp_path):
    path = style.save_png(bullseye_figure(volume_face({1: 1.0})), tmp_path / "a.png")
    assert Image.open(path).format == "PNG"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_slices_may_lie_along_another_axis(ventricle):
    image, labels, geometry = ventricle
    turned = dataclasses.replace(
        geometry,
        shape=(geometry.shape[2], geometry.shape[1], geometry.shape[0]),
        spacing=geometry.spacing[::-1],
    )
    swapped = [np.swapaxes(array, 0, 2) for array in (image, labels)]
    straight, across = slice_montage(image, labels, geometry), slice_montage(*swapped, turned, slice_axis=2)
    assert len(straight.axes) == len(across.axes)
    for a, b in zip(straight.axes, across.axes, strict=True):
        assert (a.images[0].get_array() == b.images[0].get_array().T).all()
        _, width, height, _ = a.images[0].get_extent()
        assert (height, width) == pytest.approx(b.images[0].get_extent()[1:3])
