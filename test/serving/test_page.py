"""The page in a real browser: a fake microphone says a sentence, files are given, texts are taken away."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from by_heart import learn, say
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from serving.process import LOCAL, Running, serving

from jointst import Recogniser
from jointst.config.context import Context

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PICTURES = Path(__file__).resolve().parents[1] / "pictures"
"""Where the last run's pictures of the page stay."""
SENTENCE = "open it now"
VARIANTS = 4
FIRST = SENTENCE.split()[0]
"""What even a model that was trained for seconds is sure of, whatever a browser does to the end of the sentence."""
PATIENCE = 300
WATCH = """
window.seen = [];
new MutationObserver(() => {
  const article = document.querySelector("article");
  if (!article) return;
  const [final, partial] = [".final", ".partial"].map((name) => article.querySelector(name).textContent);
  window.seen.push([final, partial]);
}).observe(document.getElementById("results"), { subtree: true, childList: true, characterData: true });
"""


@contextmanager
def browser(folder: Path, spoken: Path, width: int = 900) -> Iterator[Any]:
    """Chromium with a microphone that plays a file once, and a folder for what it downloads."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # of a root in a container
        "--disable-dev-shm-usage",
        "--disable-gpu",
        f"--window-size={width},900",
        f"--user-data-dir={folder / 'profile'}",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}%noloop",
        "--lang=en",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def until(driver: Any, found: Callable[[Any], Any], what: str) -> Any:
    return WebDriverWait(driver, PATIENCE, 0.05).until(found, what)


def text(driver: Any, selector: str) -> str:
    return str(driver.find_element(By.CSS_SELECTOR, selector).get_property("textContent")).strip()


def downloaded(path: Path) -> str:
    end = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return path.read_text(encoding="utf-8")


def speak(driver: Any, server: Running) -> None:
    driver.get(server.url)
    until(driver, lambda _: text(driver, "#model") == "toy", "the page knows the model")
    driver.execute_script(WATCH)
    driver.find_element(By.ID, "speak").send_keys(Keys.ENTER)
    until(driver, lambda _: text(driver, "#status") == "listening", "it listens")
    until(driver, lambda _: text(driver, "article .partial"), "partial text")
    driver.save_screenshot(str(PICTURES / "partial.png"))
    until(driver, lambda _: FIRST in text(driver, "article .final"), "the sentence")
    driver.find_element(By.ID, "speak").send_keys(Keys.SPACE)
    until(driver, lambda _: driver.find_element(By.CSS_SELECTOR, "article .downloads").is_displayed(), "the end")
    driver.save_screenshot(str(PICTURES / "final.png"))
    seen = driver.execute_script("return window.seen")
    first = next(index for index, (final, _) in enumerate(seen) if FIRST in final)
    assert any(partial and not final for final, partial in seen[:first]), f"partial text comes before: {seen}"
    assert text(driver, "#problem") == ""
    assert text(driver, "#speak") == "Speak"


def give_files(driver: Any, folder: Path, good: Path) -> None:
    (folder / "picture.wav").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(300))
    driver.find_element(By.CSS_SELECTOR, "#language option[value=en]").click()
    driver.find_element(By.ID, "phrases").send_keys("it now")
    driver.find_element(By.ID, "files").send_keys(f"{folder / 'picture.wav'}\n{good}")
    found = "//h2[.='%s']/.."
    until(driver, lambda _: "a picture (PNG)" in text(driver, "#problem"), "the file that is none is named")
    article = driver.find_element(By.XPATH, found % good.name)
    until(driver, lambda _: article.find_element(By.CLASS_NAME, "downloads").is_displayed(), "the text of the file")
    said = article.find_element(By.CLASS_NAME, "final").text
    assert said.startswith(FIRST)
    for kind in ("txt", "srt", "json"):
        article.find_element(By.CSS_SELECTOR, f"[data-kind={kind}]").send_keys(Keys.ENTER)
    assert downloaded(folder / f"{good.stem}.txt") == f"{said}\n"
    assert downloaded(folder / f"{good.stem}.srt").startswith("1\n00:00:00,")
    assert json.loads(downloaded(folder / f"{good.stem}.json"))["words"][0]["word"] == FIRST


def check_fields(driver: Any) -> None:
    """Every field has a name, and the page is no wider than a telephone."""
    for field in driver.find_elements(By.CSS_SELECTOR, "select, textarea, input, button"):
        if field.is_displayed() or field.get_attribute("type") == "file":
            assert field.accessible_name, field.get_attribute("id")
    driver.set_window_size(500, 800)  # the narrowest that it makes
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.timeout(1200)  # a minute, or many where other programs want the cores
@pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="needs Debian's chromium and chromium-driver")
def test_the_page(toy: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    samples = say(SENTENCE)
    model = learn(toy, [(samples, SENTENCE)], variants=VARIANTS)
    assert Recogniser.load(model).transcribe(samples, 16_000).text.startswith(FIRST)
    PICTURES.mkdir(exist_ok=True)
    (tmp_path / "files").mkdir()
    # eSpeak's own rate is none of a browser's, which takes what it plays to 48 kHz
    soundfile.write(
        tmp_path / "spoken.wav", np.pad(say(SENTENCE, rate=48_000), (48_000, 48_000)), 48_000, subtype="PCM_16"
    )
    soundfile.write(tmp_path / "said.flac", samples, 16_000)
    with serving(model, tmp_path / "server") as server, browser(tmp_path / "files", tmp_path / "spoken.wav") as driver:
        speak(driver, server)
        give_files(driver, tmp_path / "files", tmp_path / "said.flac")
        check_fields(driver)
        logged = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        # the request for the picture that was no sound, and the icon that there is none of
        assert all("transcriptions" in line or "favicon" in line for line in logged), logged
    assert os.path.getsize(PICTURES / "final.png") > 5000
