"""The SAM template: model, reader, intrinsic functions, parameters."""
