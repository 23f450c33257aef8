"""Images, curves and maps, as the bytes of a file.

Other rooms take functions that return bytes, and `run_pictures.RunPictures`."""
