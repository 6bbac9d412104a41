"""The use-cases of the registry: publish, answer harvesters, keep what operators write, harvest others."""
