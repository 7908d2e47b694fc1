"""Reports shown: on a terminal, as Markdown, as a page, as pictures, as JUnit XML."""
