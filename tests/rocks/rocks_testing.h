// Databases that RocketMQ wrote, in memory: golden/SOURCES.txt says which.
#pragma once

#include <string>

#include "libstore/testing/memory_file_system.h"
#include "tests/paths/paths.h"

namespace rmq::rocks {

// golden/`name` under `directory`.
inline void load_golden(testing::MemoryFileSystem& files, const std::string& name,
                        const std::string& directory) {
  const std::string source = tests::source_directory() + "/tests/rocks/golden/" + name;
  testing::MemoryFileSystem loaded;
  loaded.load(source);
  for (const auto& [path, file] : loaded.files) files.files[directory + path.substr(source.size())] = file;
}

}  // namespace rmq::rocks
