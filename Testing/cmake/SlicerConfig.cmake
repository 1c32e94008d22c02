# Stands for a Slicer build tree where there is none, so that the extension's own CMake files can be run:
#
#   cmake -S . -B build/extension -DSlicer_DIR=$PWD/Testing/cmake
#   cmake --install build/extension --prefix FOLDER
#
# puts the modules into FOLDER/lib/Slicer-5.12/qt-scripted-modules, as an installed extension has them. With
# -DBUILD_TESTING=ON -DSlicer_LAUNCHER_EXECUTABLE=/path/to/Slicer, ctest runs the tests in that Slicer.
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/CheckExtension.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/CheckExtension.cmake)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-5.12/qt-scripted-modules)
