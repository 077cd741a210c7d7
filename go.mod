module distcache

go 1.26.0
