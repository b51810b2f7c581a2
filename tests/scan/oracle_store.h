// Reference stores for tests: testdata/stores/NAME with store.json and NAME.tar.zst, unpacked for as long as
// a test needs it. RMQ_ORACLE_DIR names a directory where they are unpacked already (NAME/store).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/paths/paths.h"

namespace rmq::testing {

namespace fs = std::filesystem;

// Both forms of a directory: where its description lies, and where its store does.
class OracleStore {
 public:
  OracleStore(fs::path directory, fs::path unpacked)
      : directory_(std::move(directory)), root_(directory_ / "store") {
    if (!fs::is_directory(root_) && !unpacked.empty()) root_ = unpacked / name() / "store";
    if (fs::is_directory(root_)) return;
    std::string pattern = (fs::temp_directory_path() / "rmq-oracle-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return;
    temporary_ = pattern;
    const fs::path archive = directory_ / (name() + ".tar.zst");
    const std::string command = "tar --zstd -xf '" + archive.string() + "' -C '" + pattern + "'";
    if (std::system(command.c_str()) == 0) root_ = temporary_ / "store";
  }
  ~OracleStore() {
    if (!temporary_.empty()) fs::remove_all(temporary_);
  }
  OracleStore(const OracleStore&) = delete;
  OracleStore& operator=(const OracleStore&) = delete;

  [[nodiscard]] std::string name() const { return directory_.filename().string(); }
  [[nodiscard]] const fs::path& directory() const { return directory_; }
  [[nodiscard]] const fs::path& root() const { return root_; }

 private:
  fs::path directory_;
  fs::path root_;
  fs::path temporary_;
};

inline fs::path oracle_stores() { return fs::path(tests::source_directory()) / "testdata/stores"; }

// Where somebody has unpacked them already (NAME/store); empty when nobody has.
inline fs::path unpacked_oracle_stores() {
  const char* directory = std::getenv("RMQ_ORACLE_DIR");
  return directory == nullptr ? fs::path() : fs::path(directory);
}

inline std::vector<std::string> oracle_store_names() {
  std::vector<std::string> names;
  if (!fs::is_directory(oracle_stores())) return names;
  for (const auto& entry : fs::directory_iterator(oracle_stores())) {
    if (fs::exists(entry.path() / "store.json")) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

inline std::string text_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// A directory for one test, removed with it.
class TestDirectory {
 public:
  TestDirectory() {
    std::string pattern = (fs::temp_directory_path() / "rmq-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TestDirectory() {
    if (!path_.empty()) fs::remove_all(path_);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace rmq::testing
