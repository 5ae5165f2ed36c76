"""May it go on, and for how long?"""
