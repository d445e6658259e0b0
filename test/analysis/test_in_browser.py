"""The report in a real browser: sounds play, keys go from section to section, what is folded is printed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
from selenium import webdriver
from selenium.webdriver.common.by import By

from jointst.analysis.listen import Recordings
from jointst.analysis.page import Section, folded, page

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with its driver here")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with a page of four sections: one to listen to, three that are taller than its window."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "t").mkdir()
    soundfile.write(folder / "a.wav", 0.1 * np.sin(np.arange(32000) / 10), 16000)
    for name, value in (("wav.scp", folder / "a.wav"), ("text", "tone"), ("utt2spk", "a"), ("utt2lang", "en")):
        (folder / "t" / name).write_text(f"a {value}\n")
    sections = [Section(key="heard", title="heard", body=Recordings(folder).player("t", "a"))]
    sections += [
        Section(key=f"s{n}", title=f"s{n}", body=f'<div style="height: 1500px">{folded("more", "inside")}</div>')
        for n in range(3)
    ]
    (folder / "report.html").write_text(page("title", "<h1>title</h1>", sections))
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--mute-audio"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    options.add_argument("--autoplay-policy=no-user-gesture-required")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=str(DRIVER)))
    try:
        running.set_script_timeout(60)
        running.get((folder / "report.html").as_uri())
        yield running
        assert running.get_log("browser") == [], "no errors, nothing fetched"
    finally:
        running.quit()


def test_sounds_play(driver: Any) -> None:
    seconds = driver.execute_async_script(
        "const [done] = arguments, heard = document.querySelector('audio');"
        "heard.addEventListener('timeupdate', () => { if (heard.currentTime > 0.2) done(heard.duration); });"
        "heard.addEventListener('error', () => done(-1)); heard.play();"
    )
    assert seconds == pytest.approx(2.0, abs=0.1)


def test_keys_go_from_section_to_section(driver: Any) -> None:
    def press(key: str) -> str:
        driver.find_element(By.TAG_NAME, "body").send_keys(key)
        return str(driver.execute_script("return document.activeElement.id"))

    driver.execute_script("window.scrollTo({top: 0, behavior: 'instant'}); document.activeElement.blur();")
    visited = [press(key) for key in "jjjkj"]
    assert visited[0] in ("heard", "s0")
    assert visited[1:] == (["s0", "s1", "s0", "s1"] if visited[0] == "heard" else ["s1", "s2", "s1", "s2"])
    driver.execute_script("window.scrollBy({top: 700, behavior: 'instant'})")
    assert press("k") == visited[-1], "first back to the beginning of the section"


def test_what_is_folded_is_printed(driver: Any) -> None:
    def opened() -> int:
        return len(driver.find_elements(By.CSS_SELECTOR, "details[open]"))

    assert opened() == 0
    driver.execute_script("window.printed = []; addEventListener('beforeprint', () => "
                          "printed.push(document.querySelectorAll('details[open]').length));")  # fmt: skip
    assert len(driver.print_page()) > 1000
    assert driver.execute_script("return window.printed") == [3]
    assert opened() == 0
