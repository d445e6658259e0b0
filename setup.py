"""Packaging: what jointst needs, and the console script. Exact versions stand in tools/constraints.txt."""

from setuptools import find_packages, setup

setup(
    name="jointst",
    version="0.1.0",
    description="Speech recognisers trained from paired speech and unpaired text, pulled together under "
    "their best alignment, with no aligner",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["jointst", "jointst.*"]),
    package_data={"jointst": ["*.yaml", "**/*.yaml"]},
    install_requires=[
        "torch==2.11.*",
        "torchaudio==2.11.*",
        "numba>=0.60",
        "numpy>=1.26",
        "kaldiio>=2.18",
        "soundfile>=0.13",
        "av>=14",
        "sentencepiece>=0.2",
        "espnet_tts_frontend>=0.0.4",
        "phonemizer>=3.3",
        "espeakng-loader>=0.2.4",
        "pykakasi>=2.3",
        "pypinyin>=0.53",
        "mishkal>=0.4.1",
        "num2words>=0.5.13",
        "indic-numtowords>=1.1",
        "pyyaml>=6",
        "ruamel.yaml>=0.18",
        "jsonargparse[ruamel,signatures]>=4.40",
        "lightning>=2.5",
        "tensorboard>=2.17",
        "matplotlib>=3.9",
        "jiwer>=4",
        "safetensors>=0.5",
        "submitit>=1.5",
        "packaging>=24",
        "tqdm>=4.66",
    ],
    extras_require={
        "bench": ["dtaidistance>=2.3", "dtw-python>=1.5", "librosa>=0.11", "tslearn>=0.6"],
        "cuda": [
            "numba-cuda[cu13]>=0.20; sys_platform == 'linux'",
            "numpy<2.5; sys_platform == 'linux'",  # numba-cuda asks for numpy.row_stack, which 2.5 has no more
        ],
        "corpora": ["lhotse>=1.30", "urllib3>=2"],  # lhotse imports urllib3 without declaring it
        "lm": ["kenlm>=0.3"],
        "tts": ["py-nanotts>=0.1.1"],
        "export": ["onnx>=1.17", "onnxruntime>=1.20", "sherpa-onnx>=1.11"],
        "dev": [
            "lhotse>=1.30",
            "urllib3>=2",
            "py-nanotts>=0.1.1",
            "hypothesis>=6.100",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "mypy>=1.13",
            "ruff>=0.8",
            "types-PyYAML",
            "types-tqdm",
        ],
    },
    entry_points={"console_scripts": ["jointst = jointst.cli:main"]},
)
