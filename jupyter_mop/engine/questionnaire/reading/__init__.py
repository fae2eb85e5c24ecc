"""Questions and survey files: text, tables, SPSS, Stata and Qualtrics."""
