"""Builds the extension against the stable ABI, so that one wheel serves every Python from 3.10 on."""

from setuptools import Extension, setup

NATIVE = Extension("copy_decoder._native", ["src/copy_decoder/_native.c"], py_limited_api=True, extra_compile_args=["-O3", "-Wall"])

setup(ext_modules=[NATIVE], options={"bdist_wheel": {"py_limited_api": "cp310"}})
