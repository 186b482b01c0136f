module entrada/tests/outside/conformance

go 1.26.0
