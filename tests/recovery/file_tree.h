// All files of a simulated disk, to compare what it was and what it is.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "libstore/io/read_file_system.h"

namespace rmq::recovery {

using Tree = std::map<std::string, std::string>;

// Every file with its content and time, and every directory.
inline void read_tree(const io::ReadFileSystem& files, const std::string& directory, Tree& tree) {
  const auto entries = files.list(directory);
  ASSERT_TRUE(entries) << directory;
  for (const io::DirectoryEntry& entry : *entries) {
    const std::string path = io::join_path(directory, entry.name);
    if (entry.kind == io::EntryKind::directory) {
      tree[path] = "directory";
      read_tree(files, path, tree);
      continue;
    }
    const auto bytes = io::read_all(files, path, 1 << 20);
    ASSERT_TRUE(bytes) << path;
    std::string& content = tree[path];
    content = std::to_string(entry.modified_ms) + ":";
    for (const std::byte byte : *bytes) content += static_cast<char>(byte);
  }
}

inline Tree tree_of(const io::ReadFileSystem& files) {
  Tree tree;
  read_tree(files, "/", tree);
  return tree;
}

// What differs, in short.
inline std::string difference(const Tree& after, const Tree& before) {
  std::string text;
  for (const auto& [path, content] : before) {
    const auto now = after.find(path);
    if (now == after.end()) {
      text += path + " is missing; ";
    } else if (now->second != content) {
      const bool time_only = now->second.substr(std::min(now->second.find(':'), now->second.size())) ==
                             content.substr(std::min(content.find(':'), content.size()));
      text += path + (time_only ? " has another time; " : " has another content; ");
    }
  }
  for (const auto& [path, content] : after)
    if (!before.contains(path)) text += path + " is new; ";
  return text;
}

}  // namespace rmq::recovery
