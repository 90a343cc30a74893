"""Package metadata with open version ranges; the versions tested against are in constraints.txt."""

import ast
import re
import sysconfig
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
KERNELS = "spacy_elmo/bilm/kernels"
# Builds of Python without its global lock have no stable ABI.
STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")


def version() -> str:
    """Read ``__version__`` without importing the package, which needs its dependencies."""
    for statement in ast.parse((HERE / "spacy_elmo/__init__.py").read_text("utf8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__version__":
            return str(ast.literal_eval(statement.value))
    raise RuntimeError("spacy_elmo/__init__.py sets no __version__")


def address() -> str:
    """The public address of the repository, from pyproject.toml; empty until it has one."""
    path = HERE / "pyproject.toml"
    found = re.search(r'^address = "(.*)"', path.read_text("utf8") if path.exists() else "", re.M)
    return found[1].rstrip("/") if found else ""


def readme() -> str:
    """The README, whose links lead into the repository where its address is known."""
    path = HERE / "README.md"
    text = path.read_text("utf8") if path.exists() else ""
    if address():
        text = re.sub(r"!\[(.*?)\]\((?!http)", rf"![\1]({address()}/raw/main/", text)
        text = re.sub(r"(?<!!)\[([^\]]*)\]\((?!http|#)", rf"[\1]({address()}/blob/main/", text)
    return text


class BuildKernels(build_ext):
    """Builds the C extension with flags by which compilers vectorise its loops.

    No flag changes what a NaN or an infinity becomes.
    """

    FLAGS = ("-std=c11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
    FLAGS_OF_MSVC = ("/std:c11", "/O2")

    def build_extension(self, ext: Extension) -> None:
        is_msvc = self.compiler.compiler_type == "msvc"
        ext.extra_compile_args = list(self.FLAGS_OF_MSVC if is_msvc else self.FLAGS)
        super().build_extension(ext)


setup(
    name="spacy-elmo",
    version=version(),
    description="ELMo in spaCy: contextual token vectors from bidirectional language models",
    long_description=readme(),
    long_description_content_type="text/markdown",
    url=address() or None,
    author="spacy-elmo contributors",
    license_expression="MIT",
    license_files=["LICENSE"],
    packages=find_packages(include=["spacy_elmo", "spacy_elmo.*"]),
    package_data={
        "spacy_elmo": ["py.typed", "models/**/*"],
        "spacy_elmo.catalogue": ["*.json"],
        "spacy_elmo.bilm.kernels": ["*.c", "*.h", "*.pyi"],
        "spacy_elmo.visual": ["assets/*"],
    },
    # Optional: where nothing can be compiled, PyTorch does the same work, more slowly.
    ext_modules=[
        Extension(
            "spacy_elmo.bilm.kernels._kernels",
            [f"{KERNELS}/kernels.c"],
            depends=sorted(f"{KERNELS}/{path.name}" for path in (HERE / KERNELS).glob("*.h")),
            py_limited_api=STABLE_ABI,
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildKernels},
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if STABLE_ABI else {},
    entry_points={
        "spacy_factories": [
            "elmo = spacy_elmo.pipeline.factory:make_elmo",
            "elmo_senses = spacy_elmo.pipeline.senses.factory:make_elmo_senses",
        ],
        "spacy_architectures": [
            "spacy-elmo.BiLM.v1 = spacy_elmo.pipeline.model.bilm:build_bilm_v1",
            "spacy-elmo.ElmoEmbed.v1 = spacy_elmo.pipeline.listening.embed:build_elmo_embed_v1",
            "spacy-elmo.ElmoListener.v1 = "
            "spacy_elmo.pipeline.listening.listener:build_elmo_listener_v1",
        ],
        "spacy_cli": ["elmo = spacy_elmo.cli.spacy_plugin:app"],
    },
    zip_safe=False,
    python_requires=">=3.10,<3.15",
    install_requires=[
        "spacy>=3.8,<4",
        "thinc",  # spaCy pins the range it works with
        "torch>=2.3",
        "numpy>=1.24",
        "safetensors>=0.4.3",
        "h5py>=3.8",
    ],
    extras_require={
        "ray": ["ray[data]>=2.9"],
        "docs": ["sphinx>=7.3", "myst-nb>=1.1", "myst-parser>=3", "furo>=2024.1"],
        "parquet": ["pyarrow>=14"],
        "plot": ["matplotlib>=3.7"],
        "tensorflow": ["crc32c>=2.3"],
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
        "Typing :: Typed",
    ],
)
