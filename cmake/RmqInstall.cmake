# The installed library: find_package(rmqstore) gives rmq::store, and rmqstore.pc for pkg-config.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(rooms GLOBAL PROPERTY RMQ_ROOMS)
list(TRANSFORM rooms PREPEND rmq_ OUTPUT_VARIABLE targets)
install(TARGETS ${targets} rmq_store EXPORT rmqstoreTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rmqstore)
install(EXPORT rmqstoreTargets NAMESPACE rmq:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rmqstore)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/rmqstoreConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/rmqstoreConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rmqstore)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/rmqstoreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/rmqstoreConfig.cmake ${PROJECT_BINARY_DIR}/rmqstoreConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rmqstore)
# pkg-config wants the archives in link order, users before what they use: the rooms were declared bottom up.
list(REVERSE rooms)
set(RMQ_PC_LIBS "")
foreach(room ${rooms})
  get_target_property(type rmq_${room} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    string(APPEND RMQ_PC_LIBS " -lrmq_${room}")
  endif()
endforeach()
# The prefix is found from where the .pc file lies, so that `cmake --install --prefix` and moved trees work.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(RMQ_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(RMQ_PC_PREFIX "\${pcfiledir}/${up}")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/rmqstore.pc.in ${PROJECT_BINARY_DIR}/rmqstore.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/rmqstore.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
