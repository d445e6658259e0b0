"""Settings of Sphinx; tools/build_docs.sh builds."""

project = "jointst"
author = "the authors of jointst"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "docs_site.equations",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_made"]
highlight_language = "text"
smartquotes = False  # which make one dash of the two before an option

myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # documents of the repository have several titles

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": False}
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "jointst"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "drawings"
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = "$ "
