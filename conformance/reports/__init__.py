"""The forms of a report: text, JSON, JUnit and one page of HTML."""
