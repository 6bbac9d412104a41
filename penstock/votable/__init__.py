"""VOTable: streaming writers and the upload reader."""
